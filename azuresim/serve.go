// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Request is one request that reached the simulator.
type Request struct {
	Host, Method, Path, Query string
	Status                    int
	Page                      int // 1-based; 0 when the answer is not a page
	At                        time.Time
	Client                    string // the client id of the token; empty without
	Fault                     string // the faults that were injected, by id
}

// Log is what was asked of the simulator.
type Log struct {
	Total int
	// ByHost, ByStatus and ByPath count; a path has its GUIDs replaced by {id}.
	ByHost   map[string]int
	ByStatus map[int]int
	ByPath   map[string]int
	// Misdirected counts requests that carried another host's token: a client
	// that sends its tokens where it should not.
	Misdirected int
	// Foreign counts requests to the host that nobody may be sent to; WithToken
	// of them carried an Authorization header.
	Foreign, WithToken int
	// Handshakes counts TLS connections that failed faults made fail.
	Handshakes int
	// Last are the most recent requests, oldest first.
	Last []Request
}

// keepRequests bounds Log.Last.
const keepRequests = 4096

type journal struct {
	Log
	next int
}

func (j *journal) init() {
	j.ByHost, j.ByStatus, j.ByPath = map[string]int{}, map[int]int{}, map[string]int{}
}

var guidPattern = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

func (j *journal) add(r Request) {
	j.Total++
	j.ByHost[r.Host]++
	j.ByStatus[r.Status]++
	key := r.Host + " " + r.Method + " " + generalise(r.Path)
	if _, ok := j.ByPath[key]; ok || len(j.ByPath) < 10000 {
		j.ByPath[key]++
	}
	if len(j.Last) < keepRequests {
		j.Last = append(j.Last, r)
		return
	}
	j.Last[j.next] = r
	j.next = (j.next + 1) % keepRequests
}

// generalise takes the names out of a path, so that alike requests count as one.
func generalise(path string) string {
	path = guidPattern.ReplaceAllString(path, "{id}")
	seg := strings.Split(path, "/")
	for i := 0; i+1 < len(seg); i++ {
		switch strings.ToLower(seg[i]) {
		case "resourcegroups", "managementgroups":
			seg[i+1] = "{name}"
		case "providers":
			for j := i + 3; j < len(seg); j += 2 {
				if strings.EqualFold(seg[j], "providers") {
					break
				}
				seg[j] = "{name}"
			}
		}
	}
	return strings.Join(seg, "/")
}

// Log returns a copy of what was asked so far.
func (s *Sim) Log() Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.journal.Log
	l.ByHost, l.ByStatus, l.ByPath = maps.Clone(l.ByHost), maps.Clone(l.ByStatus), maps.Clone(l.ByPath)
	l.Last = append(append([]Request{}, l.Last[s.journal.next:]...), l.Last[:s.journal.next]...)
	return l
}

// call is the state of one request as it passes through the frame.
type call struct {
	host   string
	client *bearer
	page   int
	body   []byte // of the request, read once
	faults []string
	status int
}

type callKey struct{}

// callOf returns the request's state; requests come through frame, so there is one.
func callOf(r *http.Request) *call {
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// maxBody bounds what a client may send.
const maxBody = 4 << 20

// frame does for every host what services have in common: it reads the body,
// checks the token and the permissions, and keeps the log.
func (s *Sim) frame(host string, h http.Handler) http.Handler {
	def := hosts[host]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{host: host}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		defer func() {
			q := r.URL.RawQuery
			s.mu.Lock()
			defer s.mu.Unlock()
			req := Request{
				Host: host, Method: r.Method, Path: r.URL.Path, Query: q, Status: c.status, Page: c.page,
				At: s.Now(), Fault: strings.Join(c.faults, " "),
			}
			if c.client != nil {
				req.Client = c.client.client
			}
			s.journal.add(req)
		}()
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil || len(body) > maxBody {
			s.fail(w, r, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large.")
			return
		}
		c.body = body
		r.Body = io.NopCloser(bytes.NewReader(body))
		if len(def.audiences) > 0 && (def.open == nil || !def.open(r)) && !s.authorised(w, r) {
			return
		}
		if d := s.denial(r); d != nil {
			if d.Hide {
				s.write(w, r, http.StatusOK, def.emptyList())
				return
			}
			s.fail(w, r, d.status(), d.code(host), d.words())
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (d hostDef) emptyList() []byte {
	if d.empty != "" {
		return []byte(d.empty)
	}
	return []byte(`{"value":[]}`)
}

// authorised checks the bearer token: one that was given out, for this host,
// not expired.
func (s *Sim) authorised(w http.ResponseWriter, r *http.Request) bool {
	c := callOf(r)
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Basic") {
		// A DevOps access token may be a password; nobody gives those out here.
		value = ""
	}
	s.mu.Lock()
	t := s.tokens[value]
	s.mu.Unlock()
	refuse := func(code, message string) bool {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization_uri="%s/%s", error="invalid_token"`, s.login(), s.org.Tenant.ID))
		s.fail(w, r, http.StatusUnauthorized, code, message)
		return false
	}
	switch {
	case t == nil && value == "":
		return refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	case t == nil || t.revoked:
		return refuse("InvalidAuthenticationToken", "The access token is invalid.")
	case !t.isFor(s.audiences(c.host)):
		s.mu.Lock()
		s.journal.Misdirected++
		s.mu.Unlock()
		return refuse("InvalidAuthenticationTokenAudience", "The access token is for another audience.")
	case !s.Now().Before(t.expires):
		return refuse("ExpiredAuthenticationToken", "The access token expired.")
	}
	c.client = t
	return true
}

// denial returns what forbids the request, or nil.
func (s *Sim) denial(r *http.Request) *Denial {
	host := callOf(r).host
	for i := range s.org.Deny {
		d := &s.org.Deny[i]
		if (d.Host == "" || d.Host == host) && (d.Method == "" || strings.EqualFold(d.Method, r.Method)) && matches(d.Path, r.URL.Path) {
			return d
		}
	}
	return nil
}

func (d *Denial) status() int {
	if d.Status == 0 {
		return http.StatusForbidden
	}
	return d.Status
}

func (d *Denial) code(host string) string {
	switch {
	case d.Code != "":
		return d.Code
	case host == "graph":
		return "Authorization_RequestDenied"
	}
	return "AuthorizationFailed"
}

func (d *Denial) words() string {
	if d.Message != "" {
		return d.Message
	}
	return "Insufficient privileges to complete the operation."
}

// answer is a response on its way out, where faults can still change it.
type answer struct {
	status int
	header http.Header
	body   []byte
	// mode is how it goes over the wire: "" as it should, or cut, reset, stall,
	// gzip, length; at is the byte at which that happens.
	mode string
	at   int
	// date overrides the clock's.
	date time.Time
}

// fail writes the service's form of an error.
func (s *Sim) fail(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	form := hosts[callOf(r).host].failure
	if form == nil {
		form = errorText
	}
	s.write(w, r, status, form(code, message))
}

// writeJSON writes v, which can be marshalled, as the answer.
func (s *Sim) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		s.fail(w, r, http.StatusInternalServerError, "InternalServerError", err.Error())
		return
	}
	s.write(w, r, status, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// write sends an answer: the one place in which faults, request ids and the
// clock's Date are applied. Headers set on w before are kept.
func (s *Sim) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	c := callOf(r)
	a := &answer{status: status, header: http.Header{}, body: body, date: s.Now()}
	if ct := w.Header().Get("Content-Type"); ct == "" && len(body) > 0 {
		a.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	s.inject(r, c, a)
	s.mu.Lock()
	s.serial++
	n := s.serial
	s.mu.Unlock()
	h := w.Header()
	h.Set("Date", a.date.UTC().Format(http.TimeFormat))
	// Request ids differ from request to request; they are no part of a body.
	id := s.guid("request", strconv.Itoa(n))
	switch c.host {
	case "graph":
		h.Set("request-id", id)
		h.Set("client-request-id", r.Header.Get("client-request-id"))
	case "github":
		h.Set("x-github-request-id", id)
	case "devops", "devopsGraph", "devopsAudit", "devopsRelease", "devopsEntitlements":
		h.Set("ActivityId", id)
		h.Set("X-VSS-E2EID", id)
	default:
		h.Set("x-ms-request-id", id)
		h.Set("x-ms-correlation-request-id", id)
	}
	h.Set("Cache-Control", "no-cache")
	maps.Copy(h, a.header)
	c.status = a.status
	s.deliver(w, r, a)
}

// deliver puts the answer on the wire, whole or not.
func (s *Sim) deliver(w http.ResponseWriter, r *http.Request, a *answer) {
	h := w.Header()
	at := min(max(a.at, 0), len(a.body))
	switch a.mode {
	case "cut":
		// No length and no end: the client sees a chunked body that stops.
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:at])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut a connection
	case "reset":
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
				if tcp, ok := t.NetConn().(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // the close that follows resets
					_ = tcp.Close()
				}
			}
			_ = conn.Close()
			return
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // HTTP/2 resets the stream
	case "stall":
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:at])
		_ = http.NewResponseController(w).Flush()
		select { // until the client gives up or the simulator ends
		case <-r.Context().Done():
		case <-s.done:
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // the body never ends well
	case "gzip":
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		_, _ = g.Write(a.body)
		_ = g.Close()
		b := z.Bytes()
		b[len(b)-8] ^= 0xff // the checksum
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(a.status)
		_, _ = w.Write(b)
	case "huge":
		s.deliverHuge(w, r, a)
	case "length":
		h.Set("Content-Length", strconv.Itoa(len(a.body)+7))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
	default:
		if a.status == http.StatusNoContent {
			w.WriteHeader(a.status)
			return
		}
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // a client that left is no concern of the server
	}
}

// deliverHuge streams one JSON page of about a.at bytes: rows without end.
func (s *Sim) deliverHuge(w http.ResponseWriter, r *http.Request, a *answer) {
	w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(w, `{"value":[`)
	row := []byte(`{"id":"/subscriptions/00000000-0000-0000-0000-000000000000/huge","name":"` + strings.Repeat("x", 4000) + `"}`)
	for n := 0; n < a.at && err == nil && r.Context().Err() == nil; n += len(row) + 1 {
		if n > 0 {
			_, err = w.Write([]byte{','})
		}
		if err == nil {
			_, err = w.Write(row)
		}
	}
	if err == nil {
		_, _ = io.WriteString(w, `]}`) // a client that left is no concern of the server
	}
}

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
	for p := range strings.SplitSeq(r.URL.RawQuery, "&") {
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
