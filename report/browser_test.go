// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
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
// doc/screenshots holds those of the middle-sized sample.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("give -screenshots DIR to write pictures")
	}
	// Scheme 0 is dark and 1 is light in the browser's settings.
	themes := map[string]string{"light": "1", "dark": "0"}
	sizes := map[string]string{"1440": "1440,1260", "390": "390,1260"}
	for name, a := range map[string]*check.Assessment{"empty": sample(0), "one": oneRow(), "some": sample(1), "much": sample(700)} {
		url := writePage(t, a, report.HTMLOptions{})
		for theme, scheme := range themes {
			for width, size := range sizes {
				file := filepath.Join(*screenshots, "report-"+name+"-"+theme+"-"+width+".png")
				chromium(t, "--screenshot="+file, "--window-size="+size, "--virtual-time-budget=3000",
					"--blink-settings=preferredColorScheme="+scheme, url)
			}
		}
	}
}

// drive adds a script to a page, allows it in the page's policy, opens the page
// and returns what the script left in the document's data-out attribute.
func drive(t *testing.T, p []byte, hash, script string) string {
	t.Helper()
	script = `addEventListener("load", () => { const out = x => { document.documentElement.dataset.out = typeof x === "string" ? x : JSON.stringify(x); };
try { ` + script + ` } catch (e) { out("error: " + e); } });`
	sum := sha256.Sum256([]byte(script))
	allow := []byte("script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "' ")
	p = bytes.Replace(p, []byte("script-src "), allow, 1)
	p = bytes.Replace(p, []byte("</body>"), []byte("<script>"+script+"</script></body>"), 1)
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	dom := chromium(t, "--dump-dom", "--virtual-time-budget=20000", "file://"+path+hash)
	if !strings.Contains(dom, `data-ready="yes"`) {
		t.Fatalf("the page's own script did not finish:\n%.2000s", dom)
	}
	m := regexp.MustCompile(`<html[^>]* data-out="([^"]*)"`).FindStringSubmatch(dom)
	if m == nil {
		t.Fatalf("the driving script left nothing:\n%.600s", dom)
	}
	return html.UnescapeString(m[1])
}

const visibleRows = `[...document.querySelectorAll("tbody.row")].filter(r => !r.hidden).map(r => r.querySelector(".id").textContent).sort().join(" ")`

func TestFiltersInTheBrowser(t *testing.T) {
	p := page(t, sample(1), report.HTMLOptions{ResultsPerCheck: 30})
	cases := []struct{ name, hash, script, want string }{
		{"no filter shows all", "", `out(document.querySelectorAll("tbody.row").length + " " + ` + visibleRows + `.split(" ").length + " " + document.querySelector("#showing").textContent)`, "16 16 16 checks"},
		{"verdict", "#verdict=exempt", `out(` + visibleRows + `)`, "lock-production nsg-ssh-internet storage-public-blob"},
		{"two verdicts are either", "#verdict=exempt,noResource", `out(` + visibleRows + `)`, "aks-rbac lock-production nsg-ssh-internet storage-public-blob"},
		{"severity and area", "#severity=high&area=storage", `out(` + visibleRows + `)`, "storage-https-only storage-public-blob"},
		{
			"criterion", "#criterion=CC6.6", `out(` + visibleRows + ` + " | " + document.querySelector("#about h3").textContent + " | " + document.querySelector(".tile[aria-current]").dataset.code)`,
			"entra-mfa-all-users nsg-ssh-internet storage-public-blob | CC6.6 Boundary defences against outside threats | CC6.6",
		},
		{"reason", "#reason=summary&check=storage-min-tls", `out(` + visibleRows + ` + " " + document.querySelectorAll("tr.detail:not([hidden]) details.result").length)`, "storage-https-only storage-min-tls storage-public-blob 6"},
		{"text in a check", "#q=tls+1.2", `out(` + visibleRows + `)`, "storage-min-tls"},
		{"text in a resource", "#q=rg-keyvault-prod", `out(` + visibleRows + `)`, "keyvault-purge-protection"},
		{"nothing matches", "#q=zebra", `out(document.querySelector("#nomatch").hidden + " " + document.querySelector("#showing").textContent)`, "false 0 of 16 checks"},
		{"typing writes the address", "", `const f = document.querySelector("#filters"); f.q.value = "tls"; f.q.dispatchEvent(new Event("input", {bubbles: true}));
			const b = f.querySelector("input[value=high]"); b.click(); out(location.hash + " | " + ` + visibleRows + `)`, "#q=tls&severity=high | "},
		{"clear", "#severity=high", `document.querySelector("#clear").click(); out(location.hash + "|" + ` + visibleRows + `.split(" ").length)`, "|16"},
		{
			"a tile is a filter", "", `location.hash = "#criterion=C1.1"; setTimeout(() => out(` + visibleRows + `), 500)`,
			"keyvault-purge-protection sql-tde storage-https-only vm-disk-encryption",
		},
		{
			"a place keeps the view", "#severity=low", `document.querySelector("nav a[href='#inputs']").click(); setTimeout(() => out(location.hash + " " + ` + visibleRows + `), 500)`,
			"#severity=low lock-production rbac-owner-count",
		},
		{
			"open a check with the keyboard", "", `document.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true})); document.activeElement.click();
			out(document.activeElement.getAttribute("aria-expanded") + " " + location.hash + " " + document.querySelectorAll("tr.detail:not([hidden]) details.result").length)`,
			"true #check=nsg-ssh-internet 29",
		},
		{
			"the object", "#check=storage-min-tls&verdict=fail", `const d = document.querySelector("tr.detail:not([hidden]) details.result"); d.open = true;
			setTimeout(() => out([...d.querySelectorAll("dt")].map(e => e.textContent + "=" + e.nextSibling.textContent.replace("copy", "")).join("; ")), 500)`,
			`Resource=/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-storage-prod/providers/Microsoft.Storage/storageAccounts/storage0003; Type=Microsoft.Storage/storageAccounts; ` +
				`Message=Microsoft.Storage/storageAccounts/minimumTlsVersion is "TLS1_0"; expected "TLS1_2" or later.; Condition=if.allOf[1]; Field=Microsoft.Storage/storageAccounts/minimumTlsVersion; ` +
				`Path=properties.minimumTlsVersion; Found="TLS1_0"; Wanted="TLS1_2" or later; Near miss=setting properties.minimumTlsVersion to "TLS1_2" or later would pass`,
		},
		{
			"what is cut is counted", "#check=storage-min-tls&verdict=pass", `out(document.querySelector("tr.detail:not([hidden]) .group .left").textContent)`,
			"This page holds the first 30 of these 37. All of them: tickmark assess with --show check=storage-min-tls, --json or --csv.",
		},
		{"more", "#check=vm-backup", `const d = document.querySelector("tr.detail:not([hidden])"); d.querySelector(".more").click(); out(d.querySelectorAll("details.result").length + " " + d.querySelector(".more").hidden)`, "30 true"},
		{"sort", "", `const b = document.querySelector("[data-sort=title]"); b.click();
			out(document.querySelector("tbody.row .id").textContent + " " + b.closest("th").getAttribute("aria-sort"))`, "entra-mfa-all-users ascending"},
		{
			"a definition on focus", "", `document.querySelector("#h-criteria .term").focus(); const t = document.querySelector("#tip"); out(t.hidden + " " + t.textContent.slice(0, 28))`,
			"false One of the 61 codes of the t",
		},
		{"nothing is wider than the page", "#check=storage-min-tls", `out(String(document.documentElement.scrollWidth <= innerWidth))`, "true"},
	}
	// One page, one case after the other; each starts from its own address.
	var all strings.Builder
	all.WriteString("const got = []; const wait = ms => new Promise(r => setTimeout(r, ms)); (async () => {\n")
	for _, c := range cases {
		fmt.Fprintf(&all, "location.hash = '#q='; await wait(60); location.hash = %q; await wait(60); got.push(String(await new Promise((out, bad) => { try { %s } catch (e) { bad(e); } }).catch(e => 'error: ' + e)));\n",
			cmp.Or(c.hash, "#q="), c.script)
	}
	all.WriteString("out(got); })();")
	var got []string
	if err := json.Unmarshal([]byte(drive(t, p, "", all.String())), &got); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got[i] != c.want {
				t.Errorf("got  %s\nwant %s", got[i], c.want)
			}
		})
	}
	// The address alone restores the view.
	if got := drive(t, p, "#verdict=exempt&check=lock-production", "out("+visibleRows+` + " " + document.querySelectorAll("details.result").length)`); got != "lock-production nsg-ssh-internet storage-public-blob 4" {
		t.Errorf("opened with an address: %s", got)
	}
}

// TestNarrow: on a screen of 400 points nothing is wider than it, not even what
// is hidden, and the checks can be sorted there as well. A frame has the width
// that a window of the browser refuses.
func TestNarrow(t *testing.T) {
	p := page(t, sample(1), report.HTMLOptions{})
	p = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAll(p, nil)
	look := `<script>addEventListener("load", () => setTimeout(() => {
		document.querySelectorAll("details").forEach(d => { d.open = true; });
		[...document.querySelectorAll(".toggle")].slice(0, 3).forEach(b => b.click());
		const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("svg"));
		const sort = [...document.querySelectorAll("th button")].filter(b => { const r = b.getBoundingClientRect(); return r.width > 10 && b.checkVisibility() && getComputedStyle(b.closest("thead")).clipPath === "none"; });
		parent.postMessage(innerWidth + " " + wide.map(e => e.tagName + "." + e.className).join(",") + " " + sort.length, "*");
	}, 500));</script></body>`
	frame := func(p []byte, width int) string {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"page.html":  strings.Replace(string(p), "</body>", look, 1),
			"frame.html": fmt.Sprintf(`<html><body><iframe src="page.html" style="border:0;width:%dpx;height:900px"></iframe><script>onmessage = e => { document.documentElement.dataset.out = e.data; };</script></body></html>`, width),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		dom := chromium(t, "--dump-dom", "--virtual-time-budget=6000", "--window-size=1400,1000", "file://"+filepath.Join(dir, "frame.html"))
		m := regexp.MustCompile(`<html[^>]* data-out="([^"]*)"`).FindStringSubmatch(dom)
		if m == nil {
			t.Fatalf("the page in the frame said nothing:\n%.600s", dom)
		}
		return html.UnescapeString(m[1])
	}
	for _, width := range []int{360, 400, 900} {
		if got, want := frame(p, width), fmt.Sprintf("%d  5", width); got != want {
			t.Errorf("at %d: %s, want %s", width, got, want)
		}
	}
	wide := bytes.Replace(p, []byte("<main>"), []byte(`<main><p style="width:460px">wide</p>`), 1)
	if got := frame(wide, 400); got != "400 P. 5" {
		t.Errorf("something wide is not seen: %s", got)
	}
}

// TestHostileNamesInTheBrowser opens every check and every result of a page
// full of hostile names, and counts requests and scripts that ran.
func TestHostileNamesInTheBrowser(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	attack := []string{
		`<img src="` + server.URL + `/a" onerror="document.documentElement.dataset.owned=1">`,
		`<script>document.documentElement.dataset.owned=1;fetch("` + server.URL + `/b")</script>`,
		`<link rel="stylesheet" href="` + server.URL + `/c"><style>@import "` + server.URL + `/d";</style>`,
		`"><iframe src="` + server.URL + `/e"></iframe>`, `--></script><svg onload="document.documentElement.dataset.owned=1">`,
	}
	p := page(t, hostile(append(hostileNames(t), attack...)), report.HTMLOptions{})
	got := drive(t, p, "", `document.querySelectorAll(".toggle").forEach(b => b.click()); document.querySelectorAll("details").forEach(d => { d.open = true; });
		document.querySelectorAll("[data-tip]").forEach(e => e.dispatchEvent(new Event("mouseover", {bubbles: true})));
		setTimeout(() => out([document.documentElement.dataset.owned || "no", document.querySelectorAll("details.result dl").length > 10, document.querySelectorAll("img, iframe, link[rel=stylesheet]").length]), 1500)`)
	if got != `["no",true,0]` {
		t.Errorf("script ran, results open, foreign elements: %s", got)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests left the page", n)
	}

	// The policy holds even where escaping would not: markup put into the page by
	// force neither runs nor loads. Without the policy it does both, so the test can fail.
	small := page(t, hostile(append([]string{"a", "b"}, attack...)), report.HTMLOptions{})
	forced := bytes.Replace(small, []byte(`<main>`), []byte(`<main>`+strings.Join(attack[:3], "")), 1)
	script := `setTimeout(() => out(document.documentElement.dataset.owned || "no"), 1500)`
	if got := drive(t, forced, "", script); got != "no" || hits.Load() != 0 {
		t.Errorf("with the policy: script ran %s, %d requests", got, hits.Load())
	}
	open := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAll(forced, nil)
	if got := drive(t, open, "", script); got != "1" || hits.Load() == 0 {
		t.Errorf("without the policy: script ran %s, %d requests; the test sees nothing", got, hits.Load())
	}
}

// TestContrast computes the contrast of every pair of tokens that text uses.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)`).FindAllStringSubmatch(string(css), -1) {
		light[m[1]], dark[m[1]] = m[2], m[3]
	}
	if len(light) < 20 {
		t.Fatalf("found %d tokens", len(light))
	}
	var pairs [][2]string
	for _, ink := range []string{"ink", "muted", "link", "fail", "pass", "unknown", "exempt", "none", "manual"} {
		for _, ground := range []string{"bg", "panel", "raised"} {
			pairs = append(pairs, [2]string{ink, ground})
		}
	}
	pairs = append(pairs, [2]string{"on-fill", "fail-fill"}, [2]string{"ink", "hatch-a"}, [2]string{"ink", "hatch-soft"}, [2]string{"ink", "fail-soft"},
		[2]string{"pass", "pass-soft"}, [2]string{"muted", "pass-soft"}, [2]string{"bg", "ink"}, [2]string{"ink", "pass-fill"})
	for name, tokens := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, p := range pairs {
			if c := contrast(t, tokens[p[0]], tokens[p[1]]); c < 4.5 {
				t.Errorf("%s: %s on %s is %.2f", name, p[0], p[1], c)
			}
		}
	}
	if c := contrast(t, "#777777", "#ffffff"); c > 4.5 {
		t.Errorf("#777 on white is %.2f; it is known to be 4.48", c)
	}
}

func contrast(t *testing.T, x, y string) float64 {
	t.Helper()
	a, b := luminance(t, x), luminance(t, y)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// luminance is the relative luminance that WCAG 2 defines.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var c [3]int
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &c[0], &c[1], &c[2]); err != nil {
		t.Fatalf("%q: %v", hex, err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
