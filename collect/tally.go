// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
)

// Tally adds up what the pages of one list say about the list. The zero Tally
// is ready to use and has seen no page.
type Tally struct {
	pages    int
	items    int
	declared int // largest total stated so far
	stated   bool
	next     string
	cut      bool
}

// Statement is what one page says about the list that it belongs to.
type Statement struct {
	// Items are the rows in this page.
	Items int
	// Declared is the number of rows of the whole list, if Stated.
	Declared int
	Stated   bool
	// Next is the link or token that leads to the following page; empty on the
	// last one.
	Next string
	// Cut reports that the source says it left rows out.
	Cut bool
}

// Add takes the statement of the next page of the list.
func (t *Tally) Add(s Statement) {
	t.pages++
	t.items += s.Items
	if s.Stated {
		t.stated = true
		t.declared = max(t.declared, s.Declared)
	}
	t.next = s.Next
	// A page that is cut but leads on is continued; only the last one counts.
	t.cut = s.Cut
}

// Open reports whether the last page leads on to another.
func (t *Tally) Open() bool { return t.next != "" }

// Pages and Items are the sums so far.
func (t *Tally) Pages() int { return t.pages }

// Items is the number of rows in all pages so far.
func (t *Tally) Items() int { return t.items }

// Declared is the total that the source stated, or -1.
func (t *Tally) Declared() int {
	if !t.stated {
		return -1
	}
	return t.declared
}

// Missing says whether the list is known to be incomplete, and what is left.
// ReasonNone means only that nothing is known to be missing.
func (t *Tally) Missing() (reason tickmark.Reason, detail string) {
	switch {
	case t.next != "" && t.stated && t.declared > t.items:
		return tickmark.ReasonTruncated, fmt.Sprintf("%d of %d rows; the rest is behind a link or token that was not followed", t.items, t.declared)
	case t.next != "":
		return tickmark.ReasonTruncated, fmt.Sprintf("%d rows and a link or token to more that was not followed", t.items)
	case t.stated && t.declared > t.items:
		return tickmark.ReasonTruncated, fmt.Sprintf("%d rows, but the source counted %d", t.items, t.declared)
	case t.cut:
		return tickmark.ReasonTruncated, fmt.Sprintf("%d rows, and the source says that it cut the answer", t.items)
	}
	return tickmark.ReasonNone, ""
}

// refusals maps the error codes of ARM and Microsoft Graph to reasons. The
// same code comes with different HTTP statuses, so the code decides.
var refusals = map[string]tickmark.Reason{
	"authorizationfailed":                                   tickmark.ReasonNotPermitted,
	"linkedauthorizationfailed":                             tickmark.ReasonNotPermitted,
	"authorization_requestdenied":                           tickmark.ReasonNotPermitted,
	"accessdenied":                                          tickmark.ReasonNotPermitted,
	"forbidden":                                             tickmark.ReasonNotPermitted,
	"unauthorized":                                          tickmark.ReasonNotPermitted,
	"invalidauthenticationtoken":                            tickmark.ReasonNotPermitted,
	"invalidauthenticationtokentenant":                      tickmark.ReasonNotPermitted,
	"expiredauthenticationtoken":                            tickmark.ReasonNotPermitted,
	"permissionscopenotgranted":                             tickmark.ReasonNotPermitted,
	"aadpremiumlicenserequired":                             tickmark.ReasonNoLicence,
	"authentication_requestfromnonpremiumtenantorb2ctenant": tickmark.ReasonNoLicence,
	"toomanyrequests":                                       tickmark.ReasonThrottled,
	"ratelimiting":                                          tickmark.ReasonThrottled,
	"subscriptionrequeststhrottled":                         tickmark.ReasonThrottled,
	"resourcerequeststhrottled":                             tickmark.ReasonThrottled,
}

// ReasonOf says why a source that answered with this error code (and HTTP
// status, 0 if unknown) gave nothing.
func ReasonOf(status int, code string) tickmark.Reason {
	if r, ok := refusals[strings.ToLower(code)]; ok {
		return r
	}
	switch status {
	case 401, 403:
		return tickmark.ReasonNotPermitted
	case 429:
		return tickmark.ReasonThrottled
	}
	return tickmark.ReasonNotCollected
}
