// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": scriptStatus, "jsonpath": scriptJSONPath},
	})
}
