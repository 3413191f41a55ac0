// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tickmark/tickmark/azuresim"
)

// TestCloud runs the stories of testdata/cloud, each against a simulated tenant
// of its own whose endpoints are in endpoints.json.
func TestCloud(t *testing.T) {
	yaml, err := os.ReadFile("testdata/cloud/contoso.yaml")
	if err != nil {
		t.Fatal(err)
	}
	base := scriptSetup(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/cloud", RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			if err := base(e); err != nil {
				return err
			}
			org, err := azuresim.Parse("contoso.yaml", yaml)
			if err != nil {
				return err
			}
			e.Setenv("LASTWEEK", time.Now().UTC().AddDate(0, 0, -7).Format(time.DateOnly))
			o := azuresim.Options{Seed: 4, Now: time.Now, PageSize: 5}
			s, err := azuresim.New(org, o)
			if err != nil {
				return err
			}
			if err := s.Start(); err != nil {
				return err
			}
			e.Defer(func() { _ = s.Close() })
			return s.EndpointsFile(filepath.Join(e.WorkDir, "endpoints.json"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": scriptStatus, "jsonpath": scriptJSONPath, "await": scriptAwait, "appkey": scriptAppKey},
	})
}

// scriptAppKey writes the key of a GitHub App.
func scriptAppKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appkey file")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// scriptAwait waits until a file that matches the pattern has so many lines:
// what runs in the background has come that far, however fast the machine is.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await lines pattern")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		names, err := filepath.Glob(ts.MkAbs(args[1]))
		ts.Check(err)
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil && bytes.Count(b, []byte{'\n'}) >= want {
				return
			}
		}
	}
	ts.Fatalf("after a minute no file %s has %d lines", args[1], want)
}
