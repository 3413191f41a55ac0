// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
)

func TestTally(t *testing.T) {
	cases := []struct {
		name     string
		pages    []Statement
		reason   tickmark.Reason
		detail   string
		declared int
	}{
		{"nothing stated", []Statement{{Items: 3}}, "", "", -1},
		{"counted", []Statement{{Items: 3, Declared: 3, Stated: true}}, "", "", 3},
		{"two pages", []Statement{{Items: 3, Declared: 4, Stated: true, Next: "x"}, {Items: 1, Declared: 4, Stated: true}}, "", "", 4},
		{"count on the first page only", []Statement{{Items: 3, Declared: 5, Stated: true, Next: "x"}, {Items: 1}}, tickmark.ReasonTruncated, "4 rows, but the source counted 5", 5},
		{"page lost", []Statement{{Items: 3, Declared: 9, Stated: true, Next: "x"}, {Items: 1, Declared: 9, Stated: true}}, tickmark.ReasonTruncated, "counted 9", 9},
		{"left open", []Statement{{Items: 3, Next: "x"}}, tickmark.ReasonTruncated, "link or token", -1},
		{"left open and counted", []Statement{{Items: 3, Declared: 9, Stated: true, Next: "x"}}, tickmark.ReasonTruncated, "3 of 9 rows", 9},
		{"cut", []Statement{{Items: 3, Cut: true}}, tickmark.ReasonTruncated, "cut the answer", -1},
		{"cut but continued", []Statement{{Items: 3, Cut: true, Next: "x"}, {Items: 1}}, "", "", -1},
		{"more than counted", []Statement{{Items: 3, Declared: 2, Stated: true}}, "", "", 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tally Tally
			for _, p := range c.pages {
				tally.Add(p)
			}
			reason, detail := tally.Missing()
			if reason != c.reason || !strings.Contains(detail, c.detail) || tally.Declared() != c.declared {
				t.Errorf("%q %q %d, want %q %q %d", reason, detail, tally.Declared(), c.reason, c.detail, c.declared)
			}
		})
	}
}

func TestReasonOf(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   tickmark.Reason
	}{
		{403, "AuthorizationFailed", tickmark.ReasonNotPermitted},
		{400, "AadPremiumLicenseRequired", tickmark.ReasonNoLicence},
		{429, "", tickmark.ReasonThrottled},
		{401, "?", tickmark.ReasonNotPermitted},
		{500, "InternalError", tickmark.ReasonNotCollected},
	} {
		if got := ReasonOf(c.status, c.code); got != c.want {
			t.Errorf("%d %s: %s, want %s", c.status, c.code, got, c.want)
		}
	}
}
