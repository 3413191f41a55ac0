// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// says is a sign-in that gives one token.
type says struct {
	header string
	err    error
}

// Token implements collect.Credentials.
func (s says) Token(context.Context, collect.Host, string) (string, time.Time, error) {
	return s.header, time.Time{}, s.err
}

// TestTenantOf: whoever is signed in with az need not say to which tenant.
func TestTenantOf(t *testing.T) {
	token := func(claims string) string {
		return "Bearer e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	for _, c := range []struct {
		sign says
		want string
	}{
		{says{header: token(`{"tid":"00000000-0000-0000-0000-00000000000a","oid":"o"}`)}, "00000000-0000-0000-0000-00000000000a"},
		{says{header: token(`{"oid":"o"}`)}, ""},
		{says{header: "Bearer opaque"}, ""},
		{says{err: errors.New("az: not found")}, ""},
	} {
		got, err := work.TenantOf(t.Context(), collect.Options{Credentials: c.sign})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c.sign, got, err)
		}
	}
}
