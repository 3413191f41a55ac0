// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// window says which rows a request is answered with, and what comes after.
type window struct {
	From, To int
	// Page counts from 1.
	Page int
	// Next is the token of the next page; empty after the last.
	Next string
	// Truncated is what Resource Graph says of the answer: it holds less than
	// there is, and no token leads to the rest.
	Truncated bool
	// limit overrides the header of the subscription limit.
	limit bool
	base  string // of links; empty is the host's own
}

// window reads the page token in value (as sent by the client; empty for the
// first page) and returns the rows of total to answer with, size of them.
// Options.PageSize caps size. An answer of false means that the token is not
// one of ours; then the caller answers 400.
func (s *Sim) window(r *http.Request, value string, total, size int) (window, bool) {
	w := window{Page: 1}
	if value != "" {
		b, err := base64.RawURLEncoding.DecodeString(value)
		var nonce int
		if err != nil {
			return w, false
		}
		if n, err := fmt.Sscanf(string(b), "p%do%dx%d", &w.Page, &w.From, &nonce); err != nil || n != 3 || w.From < 0 || w.Page < 1 {
			return w, false
		}
	}
	return s.windowAt(r, w.Page, w.From, total, size), true
}

// windowAt is window for services whose pages are numbered by the client: GitHub's
// page, Azure DevOps' $skip. Only Next's being empty or not has a meaning then.
func (s *Sim) windowAt(r *http.Request, page, from, total, size int) window {
	if s.opts.PageSize > 0 {
		size = min(size, s.opts.PageSize)
	}
	size = max(size, 1)
	w := window{Page: max(page, 1), From: min(max(from, 0), total)}
	w.To = min(w.From+size, total)
	callOf(r).page = w.Page
	next := w.To
	if w.To < total {
		w.Next = pageToken(w.Page+1, next, 0)
	}
	s.injectPaging(r, &w, size, total)
	return w
}

func pageToken(page, from, nonce int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "p%do%dx%d", page, from, nonce))
}

// nextLink returns the request's own address with the token of the next page in
// the query parameter; empty when there is no next page.
func (s *Sim) nextLink(r *http.Request, w window, parameter string) string {
	if w.Next == "" {
		return ""
	}
	q := make([]string, 0, 4)
	for _, p := range strings.Split(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(p, "=")
		if u, err := url.QueryUnescape(name); p != "" && (err != nil || !strings.EqualFold(u, parameter)) {
			q = append(q, p)
		}
	}
	q = append(q, parameter+"="+url.QueryEscape(w.Next))
	base := w.base
	if base == "" {
		base = s.Endpoint(callOf(r).host)
	}
	return base + r.URL.EscapedPath() + "?" + strings.Join(q, "&")
}

// number reads a query parameter that is a whole number; missing is the default.
func number(r *http.Request, name string, missing int) int {
	n, err := strconv.Atoi(parameter(r, name))
	if err != nil || n < 0 {
		return missing
	}
	return n
}

// parameter reads a query parameter; OData's names are compared without case.
func parameter(r *http.Request, name string) string {
	for k, v := range r.URL.Query() {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}
