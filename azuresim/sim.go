// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark"
)

// Options steer a simulator.
type Options struct {
	// Seed decides everything that is made up: the same seed, the same bytes.
	Seed uint64
	// Now is the simulated clock; every time that is served comes from it. With
	// Clock it is this machine's.
	Now func() time.Time
	// Clock, if set, is the simulated clock, in a form that the endpoints document
	// hands to other processes.
	Clock *Clock
	// Faults are injected beside those of the organisation.
	Faults []Fault
	// Quotas switches the services' limits on, measured by Now.
	Quotas bool
	// Listen is the address of the first endpoint, the others have the ports
	// after it; empty takes free ports of loopback.
	Listen string
	// PageSize caps the rows of a page below what the service would give, so
	// that small organisations have several; 0 is the service's own.
	PageSize int
	// Errors receives what the servers complain of, such as refused handshakes;
	// nil drops it.
	Errors io.Writer
}

// Clock is a clock that showed Shows when this machine's showed At, and goes Rate
// times as fast; of rate 0 it stands still.
type Clock struct {
	At    time.Time `json:"at"`
	Shows time.Time `json:"shows"`
	Rate  float64   `json:"rate"`
}

// The bounds of a simulated clock: the certificates are good for as long, and
// tokens for an hour of this machine whatever its rate.
var (
	clockFrom, clockTo = validFrom.AddDate(1, 0, 0), validTo.AddDate(-1, 0, 0)
	mostRate           = 100_000.0
)

func (c *Clock) check() error {
	bad := func(where, what string) error {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: where, What: what}
	}
	if c.Shows.Before(clockFrom) || c.Shows.After(clockTo) {
		return bad("--now "+c.Shows.Format(time.RFC3339), fmt.Sprintf("the simulated clock may show %d to %d", clockFrom.Year(), clockTo.Year()-1))
	}
	if !(c.Rate >= 0 && c.Rate <= mostRate) { // NaN is neither
		return bad(fmt.Sprintf("--rate %v", c.Rate), fmt.Sprintf("the rate may be 0 to %.0f", mostRate))
	}
	return nil
}

// of is what the clock shows when this machine's shows t.
func (c *Clock) of(t time.Time) time.Time {
	return c.Shows.Add(time.Duration(float64(t.Sub(c.At)) * c.Rate))
}

// Sim is a simulated Azure. It is safe for concurrent use.
type Sim struct {
	org   *Organisation
	opts  Options
	seed  uint64
	epoch time.Time

	estate
	directory

	mu       sync.Mutex // guards what follows
	tokens   map[string]*bearer
	serial   int
	journal  journal
	faults   []*armed
	overlays []overlay
	vanished map[string]bool
	buckets  map[string]*bucket
	results  map[string]*result
	devices  map[string]int
	blobs    map[string][]archivedBlob // made for archives

	ca        *authority
	endpoints map[string]string
	servers   []*http.Server
	listeners []net.Listener
	running   sync.WaitGroup
	done      chan struct{}
	closing   sync.Once
}

// New checks the organisation and prepares it for serving. It fills what the
// organisation leaves open, such as ids, and owns it from then on.
func New(org *Organisation, opts Options) (*Sim, error) {
	return NewContext(context.Background(), org, opts)
}

// NewContext is New, which takes its time with a large organisation; it gives up
// when the context ends.
func NewContext(ctx context.Context, org *Organisation, opts Options) (*Sim, error) {
	if opts.Now == nil {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the simulator has no clock", Hint: "set Options.Now"}
	}
	if _, _, err := listenOn(opts.Listen); err != nil { // before the work
		return nil, err
	}
	if opts.Clock != nil {
		if err := opts.Clock.check(); err != nil {
			return nil, err
		}
		machine := opts.Now
		opts.Now = func() time.Time { return opts.Clock.of(machine()) }
	}
	s := &Sim{
		org: org, opts: opts, seed: opts.Seed, tokens: map[string]*bearer{}, vanished: map[string]bool{},
		buckets: map[string]*bucket{}, results: map[string]*result{}, devices: map[string]int{}, blobs: map[string][]archivedBlob{}, endpoints: map[string]string{}, done: make(chan struct{}),
	}
	if err := org.checkValues(); err != nil {
		return nil, err
	}
	s.journal.init()
	s.epoch = opts.Now().UTC().Truncate(time.Second)
	if opts.Clock != nil { // however long it took to get here
		s.epoch = opts.Clock.Shows.UTC().Truncate(time.Second)
	}
	if e := org.Tenant.Epoch; e != "" {
		t, err := time.Parse(time.RFC3339, e)
		if err != nil {
			return nil, org.refuse("tenant.epoch", fmt.Sprintf("the epoch %q is not a time in RFC 3339", e), "write it like 2026-01-31T08:00:00Z")
		}
		if t.After(opts.Now()) {
			return nil, org.refuse("tenant.epoch", fmt.Sprintf("the epoch %s has not come: the clock shows %s", e, opts.Now().UTC().Format(time.RFC3339)), "everything would lie in the time to come; set the clock (--now), or leave the epoch out")
		}
		s.epoch = t.UTC()
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	for _, f := range append(append([]Fault{}, org.Faults...), opts.Faults...) {
		a, err := s.arm(f)
		if err != nil {
			return nil, err
		}
		s.faults = append(s.faults, a)
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	s.ca = ca
	return s, nil
}

// prepare expands the organisation.
func (s *Sim) prepare(ctx context.Context) error {
	if s.org.Tenant.ID == "" {
		s.org.Tenant.ID = s.guid("tenant", s.org.Name)
	}
	if err := s.checkSize(); err != nil {
		return err
	}
	if err := s.prepareDirectory(ctx); err != nil {
		return err
	}
	if err := s.prepareEstate(ctx); err != nil {
		return err
	}
	if err := s.checkReferences(); err != nil {
		return err
	}
	return s.checkArchives()
}

// Now returns the simulated time, in UTC.
func (s *Sim) Now() time.Time { return s.opts.Now().UTC() }

// Organisation returns what is served.
func (s *Sim) Organisation() *Organisation { return s.org }

func (s *Sim) domain() string {
	if len(s.org.Tenant.Domains) == 0 {
		return "example.com"
	}
	return s.org.Tenant.Domains[0]
}

// listenOn takes the address of the first endpoint apart; empty is any port of
// loopback, and nothing but loopback will do.
func listenOn(address string) (host string, port int, err error) {
	if address == "" {
		return "127.0.0.1", 0, nil
	}
	host, p, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil {
		return "", 0, &tickmark.Error{Code: tickmark.CodeUsage, What: "the address to listen on is not host:port", Where: address, Err: err}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, &tickmark.Error{Code: tickmark.CodeUsage, What: "the simulator serves loopback only", Where: address, Hint: "listen on 127.0.0.1"}
	}
	return host, port, nil
}

// Start listens on every host.
func (s *Sim) Start() error {
	host, port, err := listenOn(s.opts.Listen)
	if err != nil {
		return err
	}
	for _, name := range s.Hosts() {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			_ = s.Close() // the listeners so far; the error is the first one's
			return &tickmark.Error{Code: tickmark.CodeUsage, What: "cannot listen", Where: net.JoinHostPort(host, strconv.Itoa(port)), Err: err}
		}
		if port != 0 {
			port++
		}
		s.serve(name, l)
	}
	return nil
}

func (s *Sim) serve(name string, l net.Listener) {
	def := hosts[name]
	s.endpoints[name] = "https://" + l.Addr().String()
	complaints := s.opts.Errors
	if complaints == nil {
		complaints = io.Discard
	}
	srv := &http.Server{
		Handler:           s.frame(name, def.handler(s)),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate(name)},
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.NewTextHandler(complaints, nil), slog.LevelWarn),
	}
	s.servers = append(s.servers, srv)
	s.listeners = append(s.listeners, l)
	s.running.Go(func() {
		if err := srv.ServeTLS(l, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
			slog.New(slog.NewTextHandler(complaints, nil)).Warn("serving ended", slog.String("host", name), slog.Any("error", err))
		}
	})
}

// Close ends all connections, stalled ones too, and waits for the servers.
func (s *Sim) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		for _, srv := range s.servers {
			err = errors.Join(err, srv.Close())
		}
		s.running.Wait()
	})
	return err
}

// Hosts lists the hosts' words in order.
func (s *Sim) Hosts() []string {
	var out []string
	for name := range hosts {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Endpoint returns the base URL of a host ("arm", "graph" …; "login" signs in),
// without a slash at the end; empty before Start.
func (s *Sim) Endpoint(host string) string { return s.endpoints[host] }

// Authorities returns the pool with the simulator's certificate authority.
func (s *Sim) Authorities() *x509.CertPool { return s.ca.pool() }

// Client returns a client that trusts the simulator. The caller closes its idle
// connections.
func (s *Sim) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.Authorities()}, MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true,
	}}
}

// EndpointsDocument is what EndpointsFile writes: all that another process needs.
type EndpointsDocument struct {
	Cloud        string            `json:"cloud"`
	Microsoft365 string            `json:"microsoft365"`
	TenantID     string            `json:"tenantId"`
	Authority    string            `json:"authority"`
	URLs         map[string]string `json:"urls"`
	Audiences    map[string]string `json:"audiences"`
	CAPEM        string            `json:"caPEM"`
	// Clock is the simulated clock, if it has a form that others can go by.
	Clock *Clock `json:"clock,omitempty"`
}

// EndpointsDocument returns the endpoints, audiences and certificate authority.
func (s *Sim) EndpointsDocument() EndpointsDocument {
	d := EndpointsDocument{
		Cloud: s.org.Tenant.cloud(), Microsoft365: s.org.Tenant.microsoft365(), TenantID: s.org.Tenant.ID,
		Authority: s.login(), URLs: map[string]string{}, Audiences: map[string]string{}, CAPEM: string(s.ca.pem), Clock: s.opts.Clock,
	}
	for name, url := range s.endpoints {
		if strings.HasPrefix(name, "login") || name == "foreign" {
			continue // no token may go to these
		}
		d.URLs[name] = s.advertised(name, url)
		if a := s.audiences(name); len(a) > 0 {
			d.Audiences[name] = a[0]
		}
	}
	return d
}

// EndpointsFile writes the endpoints document as JSON.
func (s *Sim) EndpointsFile(path string) error {
	b, err := json.MarshalIndent(s.EndpointsDocument(), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "cannot write the endpoints", Where: path, Err: err}
	}
	return nil
}

// hostDef is how a host is registered: each file of handlers does so in init.
type hostDef struct {
	handler func(*Sim) http.Handler
	// audiences are the resources for which a token is good here; the first is
	// the one to ask for. Without any, the host asks for no token.
	audiences []string
	// open reports whether a request needs no token; nil is none.
	open func(*http.Request) bool
	// failure writes the service's form of an error; nil is {"error":{…}}.
	failure func(code, message string) []byte
	// empty is the service's form of an empty list; "" is {"value":[]}.
	empty string
}

// hosts are the registered hosts by the words of collect.Host.
var hosts = map[string]hostDef{}

func register(name string, def hostDef) { hosts[name] = def }

// matches reports whether pattern, in which * stands for anything, is text; case
// does not matter. The empty pattern matches all.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	pieces := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	if !strings.HasPrefix(text, pieces[0]) {
		return false
	}
	text = text[len(pieces[0]):]
	if len(pieces) == 1 {
		return text == ""
	}
	for _, p := range pieces[1 : len(pieces)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, pieces[len(pieces)-1])
}

func matchesAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if matches(p, text) {
			return true
		}
	}
	return len(patterns) == 0
}

// errorText is the error form that ARM, Graph and most others share.
func errorText(code, message string) []byte {
	return fmt.Appendf(nil, `{"error":{"code":%s,"message":%s}}`, quote(code), quote(message))
}
