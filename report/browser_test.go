// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
)

var screenshots = flag.String("screenshots", "", "folder to which TestScreenshots writes PNG files")

// chromium runs the browser headless with its own profile and returns what it
// printed, or skips the test where there is none.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium here: the page is not looked at in a browser")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
	}, args...)
	cmd := exec.CommandContext(ctx, path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	return out.String()
}

// writePage renders a into a file and returns its address.
func writePage(t *testing.T, a *check.Assessment, o report.HTMLOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, page(t, a, o), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

func page(t *testing.T, a *check.Assessment, o report.HTMLOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, a, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestScreenshots writes pictures for people to look at; it runs when asked to.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("give -screenshots DIR to write pictures")
	}
	for name, a := range map[string]*check.Assessment{"empty": sample(0), "one": oneRow(), "some": sample(1), "much": sample(700)} {
		url := writePage(t, a, report.HTMLOptions{})
		for _, theme := range []string{"light", "dark"} {
			for _, size := range []string{"1440,2600", "390,3000"} {
				var w, h int
				if _, err := fmt.Sscanf(size, "%d,%d", &w, &h); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%d.png", name, theme, w))
				args := []string{"--screenshot=" + file, "--window-size=" + size, "--virtual-time-budget=3000"}
				if theme == "dark" {
					args = append(args, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
				}
				hash := ""
				if name == "some" {
					hash = "#check=storage-min-tls"
				}
				chromium(t, append(args, url+hash)...)
			}
		}
	}
}
