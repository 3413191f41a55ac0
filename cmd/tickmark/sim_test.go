// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
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
	for _, want := range []string{"Serving Contoso Ledger: a simulation", "1 requests", "answered 401", "0                                   with a token for another host"} {
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
