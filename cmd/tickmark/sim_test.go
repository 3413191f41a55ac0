// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// guarded is a buffer that two goroutines use.
type guarded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(p)
}

func (g *guarded) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
}

// TestSim serves until it is interrupted: another client reads by the endpoints
// file alone, and the end says what was asked.
func TestSim(t *testing.T) {
	file := filepath.Join(t.TempDir(), "endpoints.json")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, complaints guarded
	ended := make(chan int, 1)
	go func() {
		ended <- run([]string{"sim", "--endpoints", file, "--quotas", "off"}, &runContext{Context: ctx, In: strings.NewReader(""), Out: &out, Err: &complaints, Now: time.Now})
	}()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "Interrupt to end."); {
		if time.Now().After(end) {
			t.Fatalf("it does not serve: %s%s", out.String(), complaints.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d azuresim.EndpointsDocument
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(d.CAPEM)) {
		t.Fatal("the endpoints have no certificate authority")
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	resp, err := c.Get(d.URLs["arm"] + "/subscriptions?api-version=2022-12-01")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	cancel()
	select {
	case status := <-ended:
		if status != tickmark.ExitFine {
			t.Errorf("status %d: %s", status, complaints.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	for _, want := range []string{"Serving Contoso Ledger: a simulation", "1 request", "answered 401", "0                                   with a token for another host"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
}

func TestSimLists(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("name: x\npersons: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--list-faults"}, tickmark.ExitFine, "C12/truncated"},
		{[]string{"--print-org"}, tickmark.ExitFine, "name: Contoso Ledger"},
		{[]string{"--org", bad}, tickmark.ExitIncomplete, "bad.yaml:2:1"},
		{[]string{"--org", filepath.Join(dir, "none")}, tickmark.ExitUsage, "cannot be read"},
		{[]string{"--faults", bad}, tickmark.ExitIncomplete, "bad.yaml"},
		{[]string{"--listen", "0.0.0.0:1"}, tickmark.ExitUsage, "loopback only"},
		{[]string{"--listen", "here"}, tickmark.ExitUsage, "host:port"},
		{[]string{"--quotas", "some"}, tickmark.ExitUsage, "must be one of"},
		{[]string{"--now", "tomorrow"}, tickmark.ExitUsage, "is not an instant"},
		{[]string{"--now", "1999-01-01T00:00:00Z"}, tickmark.ExitUsage, "the simulated clock may show"},
		{[]string{"--rate=-1"}, tickmark.ExitUsage, "the rate may be"},
		{[]string{"--rate", "fast"}, tickmark.ExitUsage, "not a number"},
		{[]string{"--rate", "0"}, tickmark.ExitUsage, "add --quotas off"},
	} {
		var out, complaints bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing here may wait
		status := run(append([]string{"sim"}, x.args...), &runContext{Context: ctx, In: strings.NewReader(""), Out: &out, Err: &complaints, Now: time.Now})
		if status != x.status || !strings.Contains(out.String()+complaints.String(), x.want) {
			t.Errorf("sim %v: status %d, want %d and %q:\n%s%s", x.args, status, x.status, x.want, out.String(), complaints.String())
		}
	}
}

// serving runs tickmark sim until it is stopped, and returns its endpoints file.
func serving(t *testing.T, args ...string) (file string, stop func()) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "endpoints.json")
	ctx, cancel := context.WithCancel(t.Context())
	var out, complaints guarded
	ended := make(chan int, 1)
	go func() {
		ended <- run(append([]string{"sim", "--endpoints", file}, args...), &runContext{Context: ctx, In: strings.NewReader(""), Out: &out, Err: &complaints, Now: time.Now})
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(cancel)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "Interrupt to end."); {
		if time.Now().After(end) {
			t.Fatalf("it does not serve: %s%s", out.String(), complaints.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return file, stop
}

// somewhere is an address after which ports are free, as far as one can tell.
func somewhere(t *testing.T) string {
	t.Helper()
	for base := 21000; base < 60000; base += 37 {
		free := true
		for port := base; port < base+24 && free; port++ {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				_ = l.Close()
			}
		}
		if free {
			return fmt.Sprintf("127.0.0.1:%d", base)
		}
	}
	t.Fatal("no ports are free")
	return ""
}

// TestSimClock: two simulators of the same seed and instant, at the same address
// (rows name it), are collected to the same digest, one of another seed or instant is not; what is recorded says by
// which clock it was read.
func TestSimClock(t *testing.T) {
	at := somewhere(t)
	read := func(args ...string) (work.Collection, time.Time) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		ends, stop := serving(t, append([]string{"--quotas", "off", "--rate", "0", "--listen", at}, args...)...)
		defer stop()
		var complaints bytes.Buffer
		do := func(want int, args ...string) {
			t.Helper()
			if status := run(args, &runContext{Context: t.Context(), In: strings.NewReader(""), Out: io.Discard, Err: &complaints, Now: time.Now}); status != want {
				t.Fatalf("%v: status %d: %s", args, status, complaints.String())
			}
		}
		do(tickmark.ExitFine, "init", dir, "--organisation", "Contoso", "--sample")
		do(tickmark.ExitFine, "collect", "--endpoints", ends, "--dir", dir, "--client", "11111111-2222-4333-8444-555555555555", "--only", "arm", "--allow-incomplete", "--html", filepath.Join(t.TempDir(), "x.html"))
		st, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		stored, err := st.Load(t.Context(), "s1")
		if err != nil {
			t.Fatal(err)
		}
		var c work.Collection
		if err := json.Unmarshal(stored.Pins[work.PinCollection], &c); err != nil {
			t.Fatal(err)
		}
		return c, stored.Entry.ObservedAt
	}
	const instant = "2028-02-29T23:59:58Z" // a leap day, and ahead of this machine
	one, observed := read("--now", instant, "--seed", "3")
	two, _ := read("--now", instant, "--seed", "3")
	if one.Digest == (tickmark.Digest{}) || one.Digest != two.Digest {
		t.Errorf("the same seed and instant: %s and %s", one.Digest, two.Digest)
	}
	if got := observed.UTC().Format(time.RFC3339); got != instant || one.Clock == nil || one.Clock.Shows.UTC().Format(time.RFC3339) != instant {
		t.Errorf("observed at %s, by the clock %+v", got, one.Clock)
	}
	if other, _ := read("--now", instant, "--seed", "4"); other.Digest == one.Digest {
		t.Error("another seed gives the same digest: the test cannot show anything")
	}
	if other, _ := read("--now", "2028-03-09T23:59:58Z", "--seed", "3"); other.Digest == one.Digest {
		t.Error("another instant gives the same digest: the test cannot show anything")
	}
}
