// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark"
)

// transport sends requests to pinned hosts and to no other.
type transport struct {
	client *http.Client
	ends   *Endpoints
	creds  Credentials
	clock  Clock
	tune   *tuning
	agent  string

	mu     sync.Mutex
	tokens map[string]*token
	down   map[string]outage // by origin
	// big admits one large answer at a time, so that memory stays flat.
	big chan struct{}
}

type token struct {
	mu      sync.Mutex
	header  string
	expires time.Time
	failed  *fault
	misses  int
	gen     int
}

// fault is why a request brought nothing, in the terms of coverage.
type fault struct {
	reason tickmark.Reason
	what   string
	again  bool // trying again may help
	slow   bool // it has cost a whole timeout
	unsent bool // there was no token for it: this says nothing of the host
}

func (f *fault) Error() string { return f.what }

// refresher is implemented by credentials that can give a token that is not
// the one they gave before.
type refresher interface {
	Refresh(ctx context.Context, h Host, audience, challenge string) (header string, expires time.Time, err error)
}

type request struct {
	host   Host
	method string
	url    *url.URL
	body   string
	header map[string]string
	id     string
	scope  string // what it is about: an organisation has a token of its own
}

type answer struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // the host's clock when the answer began
	asked  time.Time
}

// An origin that has missed downAfter answers in a row for downFor is given up:
// the requests that are left would each wait for nothing.
const (
	downAfter = 12
	downFor   = 3 * time.Minute
)

type outage struct {
	since  time.Time
	missed int
}

func newTransport(o *Options, tune *tuning, clock Clock) *transport {
	t := &transport{
		ends: &o.Endpoints, creds: o.Credentials, clock: clock, tune: tune, agent: o.Tool,
		tokens: map[string]*token{}, down: map[string]outage{}, big: make(chan struct{}, 1),
	}
	if t.agent == "" {
		t.agent = "tickmark"
	}
	var c http.Client
	if o.Transport != nil {
		c = *o.Transport
	} else {
		c.Transport = newRoundTripper(&o.Endpoints, tune)
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.client = &c
	return t
}

func newRoundTripper(e *Endpoints, tune *tuning) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.roots},
		TLSHandshakeTimeout:    30 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    tune.workers,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  tune.header,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true, // unpack checks the sums itself
	}
}

// pin checks that the address is one of the host's, and so may see a token.
func (t *transport) pin(h Host, u *url.URL) error {
	base, ok := t.ends.URL[h]
	switch {
	case !ok || base == "":
		return fmt.Errorf("there is no address for host %q", h)
	case u.User != nil:
		return errors.New("the address has credentials in it")
	case !t.tune.on("pin"):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("scheme %q: only https is used", u.Scheme)
	}
	if strings.HasPrefix(base, ".") {
		name := strings.ToLower(u.Hostname())
		if p := u.Port(); p != "" && p != "443" {
			return fmt.Errorf("port %s of %s: only 443 is used", p, name)
		}
		label := strings.TrimSuffix(name, strings.ToLower(base))
		if label == name || label == "" || strings.HasPrefix(label, ".") {
			return fmt.Errorf("host %s is not below %s", name, base[1:])
		}
		return nil
	}
	b, err := url.Parse(base)
	if err != nil {
		return err
	}
	if origin(b) != origin(u) {
		return fmt.Errorf("%s is not %s: no request and no token goes there", origin(u), origin(b))
	}
	return nil
}

// origin is scheme, host and port of an address.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}

// send puts the request once, following a redirect inside the origin only, and
// asks for a fresh token once where the service refuses the one it got.
func (t *transport) send(ctx context.Context, r *request) (*answer, error) {
	if f := t.isDown(r); f != nil {
		return nil, f
	}
	u, fresh := r.url, false
	for hop := 0; ; hop++ {
		a, gen, err := t.once(ctx, r, u)
		t.reached(ctx, r, err)
		if err != nil {
			return nil, err
		}
		switch {
		case a.status == http.StatusUnauthorized && !fresh && t.tune.on("refresh"):
			fresh = true
			if err := t.refresh(ctx, r, gen, a.header.Get("WWW-Authenticate")); err != nil {
				return a, nil //nolint:nilerr // the answer 401 says it; the refresh only tried to help
			}
			continue
		case a.status >= 300 && a.status < 400 && a.status != http.StatusNotModified:
			to, err := u.Parse(a.header.Get("Location"))
			if err == nil && t.tune.on("redirect") {
				if err = t.pin(r.host, to); err == nil && origin(to) != origin(u) {
					err = fmt.Errorf("%s is another origin", origin(to))
				}
			}
			if err != nil || hop >= 3 || r.method != http.MethodGet {
				reason := tickmark.ReasonNotCollected
				if a.status == http.StatusFound && strings.HasPrefix(string(r.host), string(HostDevOps)) {
					reason = tickmark.ReasonNotPermitted // DevOps sends a token that it does not accept to its sign-in page
				}
				return nil, &fault{reason: reason, what: fmt.Sprintf("the service answered %d, a redirect that is not followed: %v", a.status, err)}
			}
			u = to
			continue
		}
		return a, nil
	}
}

func (t *transport) isDown(r *request) *fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.down[origin(r.url)]; o.missed >= downAfter && t.clock.Now().Sub(o.since) > downFor {
		return &fault{reason: tickmark.ReasonNotCollected, what: fmt.Sprintf("%s has not answered %d requests in a row: no more are sent", r.url.Host, o.missed)}
	}
	return nil
}

func (t *transport) reached(ctx context.Context, r *request, err error) {
	if f, ok := errors.AsType[*fault](err); ok && f.unsent {
		return // the organisations of GitHub have one host and each its own token
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at := origin(r.url)
	if err == nil {
		delete(t.down, at)
	} else if ctx.Err() == nil {
		o := t.down[at]
		if o.missed++; o.missed == 1 {
			o.since = t.clock.Now()
		}
		t.down[at] = o
	}
}

// once sends one HTTP request.
func (t *transport) once(ctx context.Context, r *request, u *url.URL) (*answer, int, error) {
	if err := t.pin(r.host, u); err != nil {
		return nil, 0, &fault{reason: tickmark.ReasonNotCollected, what: err.Error()}
	}
	auth, gen, err := t.authorise(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.tune.request, errSlow)
	defer cancel()
	ctx, stall := context.WithCancelCause(ctx)
	defer stall(nil)
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, 0, &fault{reason: tickmark.ReasonNotCollected, what: err.Error()}
	}
	q.Header.Set("Accept", "application/json")
	q.Header.Set("Accept-Encoding", "gzip")
	q.Header.Set("User-Agent", t.agent)
	q.Header.Set("X-Ms-Client-Request-Id", r.id)
	if r.body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		q.Header.Set(k, v)
	}
	if auth != "" {
		q.Header.Set("Authorization", auth)
	}
	a := &answer{asked: t.clock.Now()}
	resp, err := t.client.Do(q)
	if err != nil {
		return nil, gen, t.network(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read to its end or is given up
	a.at, a.status, a.header = t.clock.Now(), resp.StatusCode, resp.Header
	w := &watch{r: resp.Body, after: t.stallAfter(), stop: func() { stall(errStall) }}
	w.start()
	defer w.end()
	a.body, err = t.read(resp, w)
	if err == nil && ctx.Err() != nil {
		err = ctx.Err() // a server may end its answer because the client has left
	}
	if err != nil {
		return nil, gen, t.network(ctx, err)
	}
	return a, gen, nil
}

var (
	errSlow  = errors.New("the answer took too long")
	errStall = errors.New("the answer stalled")
	errLarge = errors.New("the answer is too large")
)

// network says what went wrong in words that hold no secret.
func (t *transport) network(ctx context.Context, err error) error {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
	)
	f := &fault{reason: tickmark.ReasonNotCollected, again: true}
	switch cause := context.Cause(ctx); {
	case errors.Is(err, errLarge):
		f.reason, f.what, f.again = tickmark.ReasonTruncated, fmt.Sprintf("the answer is larger than %d bytes: ask for smaller pages", t.tune.pageBytes), false
	case errors.Is(cause, errStall), errors.Is(cause, errSlow):
		f.what, f.slow = cause.Error(), true
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		f.what = "the host's name is not known: " + dns.Err
	case errors.As(err, &cert):
		f.what, f.again = "the host's certificate is not trusted: "+cert.Err.Error(), false
	case errors.As(err, &op) && op.Op == "proxyconnect":
		f.what = "the proxy refused: " + op.Err.Error()
	default:
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		f.what = "no whole answer: " + clip(err.Error())
	}
	return f
}

func (t *transport) stallAfter() time.Duration {
	if !t.tune.on("stall") {
		return 10 * t.tune.request // the request's own end comes first
	}
	return t.tune.stall
}

// watch cancels a request whose body brings no bytes for a while.
type watch struct {
	r     io.Reader
	after time.Duration
	stop  func()
	timer *time.Timer
}

func (w *watch) start() { w.timer = time.AfterFunc(w.after, w.stop) }

func (w *watch) end() { w.timer.Stop() }

func (w *watch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.timer.Reset(w.after)
	}
	return n, err
}

// read takes the body into memory, unpacked, up to the ceiling. It is not
// spooled as it comes: secrets are replaced before anything touches the disk.
func (t *transport) read(resp *http.Response, w *watch) ([]byte, error) {
	var from io.Reader = w
	size := resp.ContentLength
	switch enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		size = -1
		z, err := unpack(from)
		if err != nil {
			return nil, err
		}
		from = z
	default:
		return nil, fmt.Errorf("content encoding %q is unknown", clip(enc))
	}
	most := t.tune.pageBytes
	if size > most && t.tune.on("pageBytes") {
		return nil, errLarge
	}
	const small = 2 << 20
	var b bytes.Buffer
	if size > 0 && size <= small {
		b.Grow(int(size) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(from, small))
	if err != nil || n < small {
		return b.Bytes(), err
	}
	w.end() // waiting for one's turn is no stall
	t.big <- struct{}{}
	w.timer.Reset(w.after)
	defer func() { <-t.big }()
	if size > 0 {
		b.Grow(int(size-n) + bytes.MinRead)
	}
	m, err := b.ReadFrom(io.LimitReader(from, most-n+1))
	if err == nil && n+m > most && t.tune.on("pageBytes") {
		err = errLarge
	}
	return b.Bytes(), err
}

// unpack reads gzip to its end, so that its checksum is seen, and refuses what
// follows it.
func unpack(r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("the answer is not gzip, though it says so: %w", err)
	}
	return z, nil
}

// authorise returns a token for the host, a cached one while it is good.
func (t *transport) authorise(ctx context.Context, r *request) (header string, gen int, err error) {
	if t.creds == nil {
		return "", 0, nil
	}
	tok := t.token(r)
	tok.mu.Lock()
	defer tok.mu.Unlock()
	if tok.failed != nil {
		return "", tok.gen, tok.failed
	}
	if tok.header != "" && tok.expires.Sub(t.clock.Now()) > 2*time.Minute {
		return tok.header, tok.gen, nil
	}
	var expires time.Time
	if of, ok := t.each(r); ok {
		header, expires, err = of.OrganisationToken(ctx, r.scope, false)
	} else {
		header, expires, err = t.creds.Token(ctx, r.host, t.audience(r))
	}
	if err != nil {
		return "", tok.gen, t.signIn(ctx, tok, err)
	}
	tok.header, tok.expires, tok.gen, tok.misses = header, expires, tok.gen+1, 0
	return header, tok.gen, nil
}

func (t *transport) signIn(ctx context.Context, tok *token, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := &fault{reason: tickmark.ReasonNotPermitted, what: "sign-in failed: " + clip(err.Error()), unsent: true}
	var no *refusal
	if tok.misses++; tok.misses < 3 && !errors.As(err, &no) {
		f.again = true // the authority may only be slow
		return f
	}
	tok.failed = f // who may not sign in by now, may not for the next subject either
	return f
}

// audience is whom a token is for. Each environment of Dataverse is one of its
// own (learn.microsoft.com/power-apps/developer/data-platform/authenticate-oauth).
func (t *transport) audience(r *request) string {
	if a := t.ends.Audience[r.host]; a != "" || r.host != HostDataverse {
		return a
	}
	return r.url.Scheme + "://" + r.url.Host
}

// each reports whether the organisations of the host have tokens of their own.
func (t *transport) each(r *request) (OrganisationCredentials, bool) {
	if r.host != HostGitHub {
		return nil, false
	}
	of, ok := t.creds.(OrganisationCredentials)
	return of, ok
}

func (t *transport) token(r *request) *token {
	k := string(r.host) + "\x00" + t.audience(r)
	if _, ok := t.each(r); ok {
		k += "\x00" + strings.ToLower(r.scope)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tokens[k] == nil {
		t.tokens[k] = &token{}
	}
	return t.tokens[k]
}

// refresh replaces the token that the service refused, unless somebody has
// done so meanwhile.
func (t *transport) refresh(ctx context.Context, q *request, gen int, challenge string) error {
	if t.creds == nil {
		return errors.New("there are no credentials")
	}
	h, audience := q.host, t.audience(q)
	tok := t.token(q)
	tok.mu.Lock()
	defer tok.mu.Unlock()
	if tok.gen != gen {
		return nil
	}
	var err error
	if of, ok := t.each(q); ok {
		tok.header, tok.expires, err = of.OrganisationToken(ctx, q.scope, true)
	} else if r, ok := t.creds.(refresher); ok {
		tok.header, tok.expires, err = r.Refresh(ctx, h, audience, challenge)
	} else {
		tok.header, tok.expires, err = t.creds.Token(ctx, h, audience)
	}
	tok.gen++
	if err != nil {
		tok.header = ""
	}
	return err
}

// newID is a random request id in the form of a UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (t *transport) close() { t.client.CloseIdleConnections() }
