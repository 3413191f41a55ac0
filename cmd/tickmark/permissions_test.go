// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/graph"
)

// places are the pairs that a tenant can have.
var places = [][2]string{{"public", ""}, {"public", "gcc"}, {"usGovernment", ""}, {"usGovernment", "dod"}, {"china", ""}}

// script is what tickmark permissions prints for the flags.
func permissionsScript(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c permissionsCommand
	k, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = c.Run(&runContext{Out: &out})
	return out.String(), err
}

var address = regexp.MustCompile(`https?://([A-Za-z0-9.-]+)`)

// strangers are the hosts of a text that are not those of a tenant's place.
func strangers(t *testing.T, text, cloud, m365 string) (foreign []string, ours int) {
	t.Helper()
	ends, err := collect.EndpointsOf(cloud, m365)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range address.FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc([]collect.Host{collect.HostGraph, collect.HostARM}, func(h collect.Host) bool { return ends.URL[h] == "https://"+m[1] }) {
			ours++
		} else {
			foreign = append(foreign, m[1])
		}
	}
	return foreign, ours
}

// TestPermissionsHosts: the script for a cloud names hosts of that cloud only.
// The control is each script held against the other places.
func TestPermissionsHosts(t *testing.T) {
	az := map[string]string{"public": "AzureCloud", "usGovernment": "AzureUSGovernment", "china": "AzureChinaCloud"}
	for _, p := range places {
		flags := []string{"--cloud", p[0], "--m365", p[1]}
		if p[1] == "" {
			flags = flags[:2]
		}
		for _, more := range [][]string{nil, {"--app"}, {"--only", "graph"}} {
			text, err := permissionsScript(t, append(slices.Clone(flags), more...)...)
			if err != nil {
				t.Fatal(err)
			}
			if foreign, ours := strangers(t, text, p[0], p[1]); len(foreign) > 0 || ours == 0 {
				t.Errorf("%v %v: foreign hosts %q, own %d", p, more, foreign, ours)
			}
			if !strings.Contains(text, "\naz cloud set --name "+az[p[0]]+"\n") {
				t.Errorf("%v: az is not set to %s", p, az[p[0]])
			}
			for _, other := range places {
				same, _ := collect.EndpointsOf(other[0], other[1])
				this, _ := collect.EndpointsOf(p[0], p[1])
				if foreign, _ := strangers(t, text, other[0], other[1]); len(foreign) == 0 && same.URL[collect.HostGraph] != this.URL[collect.HostGraph] {
					t.Errorf("the script for %v passes for that of %v: the test sees nothing", p, other)
				}
			}
		}
		text, err := permissionsScript(t, append(slices.Clone(flags), "--only", "arm", "--bicep")...)
		if err != nil {
			t.Fatal(err)
		}
		if foreign, _ := strangers(t, text, p[0], p[1]); len(foreign) > 0 || !strings.Contains(text, "az cloud set --name "+az[p[0]]) || p[0] != "public" && strings.Contains(text, "westeurope") {
			t.Errorf("%v: the Bicep file is not for this cloud: %q\n%s", p, foreign, text[:300])
		}
	}
	for _, p := range [][2]string{{"public", "gccHigh"}, {"public", "dod"}, {"public", "china"}, {"usGovernment", "commercial"}, {"usGovernment", "gcc"}, {"china", "commercial"}, {"china", "gccHigh"}} {
		if text, err := permissionsScript(t, "--cloud", p[0], "--m365", p[1]); err == nil || text != "" {
			t.Errorf("%v: a script is printed for a tenant that cannot be", p)
		}
	}
}

// TestPermissionsRun runs the scripts with an az that only writes down what it
// is asked: after az cloud set every address is of that cloud.
func TestPermissionsRun(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	for _, p := range places {
		for _, app := range []string{"--app", ""} {
			dir := t.TempDir()
			fake := "#!/bin/sh\necho \"$0 $*\" >>" + filepath.Join(dir, "log") + "\ncase \"$*\" in *' list '*|*'value[].'*|*appRoleAssignments\\?*|*applications\\?*) ;; *) echo an-id ;; esac\n"
			for _, name := range []string{"az", "openssl"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(fake), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"--cloud", p[0], "--only", "graph", "--only", "arm"}
			if p[1] != "" {
				args = append(args, "--m365", p[1])
			}
			if app != "" {
				args = append(args, app)
			}
			text, err := permissionsScript(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), sh, "-c", text)
			c.Dir, c.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin", "APP_ID=app"}
			if app != "" {
				if err := os.WriteFile(filepath.Join(dir, "tickmark-reader.crt"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v %s: %v\n%s", p, app, err, out)
			}
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			foreign, ours := strangers(t, string(log), p[0], p[1])
			if len(foreign) > 0 || ours < 40 || !strings.Contains(string(log), "appRoleAssignedTo") || !strings.Contains(string(out), "granted Policy.Read.All") {
				t.Errorf("%v %s: foreign %q, own %d\n%s", p, app, foreign, ours, log)
			}
			// The undo takes away each thing that was made, the application last.
			undo, err := os.ReadFile(filepath.Join(dir, "tickmark-undo.sh"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(undo)), "\n")
			made := strings.Count(string(out), "granted ") + strings.Count(string(out), "assigned ") + 1 // the own role
			if app != "" {
				made++
			}
			foreign, _ = strangers(t, string(undo), p[0], p[1])
			if last := lines[len(lines)-1]; len(lines) != made+1 || len(foreign) > 0 || lines[0] != "az cloud set --name "+firstAz(log) ||
				strings.Contains(last, "ad app delete") != (app != "" && azKnowsGraph(p[0], p[1])) {
				t.Errorf("%v %s: %d things were made, foreign %q\n%s", p, app, made, foreign, undo)
			}
			first, _, _ := strings.Cut(string(log), "\n")
			if !strings.Contains(first, "az cloud set --name Azure") {
				t.Errorf("%v: the first command is %s", p, first)
			}
		}
	}
}

// firstAz is the cloud that the first command of a log sets.
func firstAz(log []byte) string {
	_, rest, _ := strings.Cut(string(log), "az cloud set --name ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// TestPermissionsThere: of what was there before nothing is made again, and the
// undo has nothing of it. An application of that name is not taken over.
func TestPermissionsThere(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh here")
	}
	for _, app := range []bool{false, true} {
		dir := t.TempDir()
		// Everything that is asked for is there: roles with the ids of all.
		ids := "d07a8cc0-3d51-4b77-b3b0-32704d1f69fa"
		fake := "#!/bin/sh\necho \"$*\" >>log\ncase \"$*\" in *appRoleAssignments\\?*) cat ids ;; *'value[].'*|'account list'*) ;; *) echo " + ids + " ;; esac\n"
		var all []string
		for _, g := range graph.Permissions() {
			all = append(all, cmp.Or(g.ID, ids))
		}
		for name, text := range map[string]string{"az": fake, "ids": strings.Join(all, "\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"--only", "graph", "--only", "arm"}
		if app {
			args = append(args, "--app")
		}
		text, err := permissionsScript(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", text)
		c.Dir, c.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin", "APP_ID=app"}
		out, err := c.CombinedOutput()
		if app != (err != nil) || app != strings.Contains(string(out), "there is an application tickmark-reader already") {
			t.Errorf("app %v: %v\n%s", app, err, out)
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		undo, _ := os.ReadFile(filepath.Join(dir, "tickmark-undo.sh"))
		if strings.Contains(string(log), " create ") || strings.Contains(string(log), "post") || strings.TrimSpace(string(undo)) != "az cloud set --name AzureCloud" {
			t.Errorf("app %v: something was made:\n%s\nundo:\n%s", app, log, undo)
		}
	}
}
