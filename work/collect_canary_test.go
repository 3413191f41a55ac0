// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// song is in every planted secret. The part that is looked for is what a thief
// would need, not the name of the setting.
const song = "kaNarienVoGel"

// planted are members that hold secrets, as services name and spell them.
func planted() map[string]any {
	n := 0
	c := func() string { n++; return fmt.Sprintf("%s%02d", song, n) }
	long := func(size int) string { return c() + strings.Repeat("x", size) }
	jwt := "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"someone"}`)) + "." + long(30)
	return map[string]any{
		"connectionString":           "Server=tcp:sql.example;User ID=sa;Password=" + c() + ";Encrypt=True",
		"storage":                    "DefaultEndpointsProtocol=https;AccountName=st;AccountKey=" + c() + "==;EndpointSuffix=core.windows.net",
		"bus":                        "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=" + c() + "=",
		"link":                       "https://st.blob.core.windows.net/c/b?sv=2024-11-04&se=2027-01-01&sr=b&sp=r&sig=" + c() + "%3D",
		"repositoryUrl":              "https://builder:" + c() + "@dev.azure.com/contoso/_git/api",
		"primaryKey":                 c(),
		"accountKey":                 c(),
		"administratorLoginPassword": c(),
		"clientSecret":               c(),
		"secretText":                 c(),
		"accessToken":                c(),
		"refreshToken":               c(),
		"sasToken":                   "?sv=2024&sig=" + c(),
		"customData":                 base64.StdEncoding.EncodeToString([]byte("#cloud-config")) + c(),
		"header":                     jwt,
		"note":                       "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + c() + "\n-----END RSA PRIVATE KEY-----",
		"personal":                   "ghp_" + long(30),
		"fine":                       "github_pat_" + long(60),
		"devopsPat":                  pad(c(), 76) + "AZDO" + "0000",
		"appSecret":                  "abc8Q~" + pad(c(), 34),
		"storageKey":                 pad(c(), 76) + "+ASt" + "AAAAAA==",
		"siteConfig":                 map[string]any{"appSettings": []any{map[string]any{"name": "DbPassword", "value": c()}}, "connectionStrings": []any{map[string]any{"name": "db", "connectionString": c()}}},
		"environmentVariables":       []any{map[string]any{"name": "TOKEN", "secureValue": c()}, map[string]any{"name": "PLAIN", "value": c()}},
		"protectedSettings":          map[string]any{"commandToExecute": "run " + c(), "deep": []any{map[string]any{"k": c()}}},
		"keys":                       []any{map[string]any{"keyName": "key1", "value": c()}},
	}
}

func pad(s string, n int) string { return s + strings.Repeat("A", n-len(s)) }

// planter puts the secrets into every row of every answer on its way to the
// engine, and into the words of some refusals.
type planter struct {
	next    http.RoundTripper
	rows    map[string]*atomic.Int64 // by host
	refuse  atomic.Int64
	refused atomic.Int64
}

func (p *planter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(r)
	if err != nil || !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if resp.StatusCode == http.StatusOK && d.Decode(&v) == nil {
		n := plant(v, 0, int(p.refuse.Load()))
		if at := p.rows[r.URL.Host]; at != nil {
			at.Add(int64(n))
		}
		if b, err := json.Marshal(v); err == nil {
			body = b
		}
		if p.refuse.Add(1)%97 == 0 { // a service that repeats a secret in its error
			p.refused.Add(1)
			resp.StatusCode, resp.Status = http.StatusForbidden, "403 Forbidden"
			body = fmt.Appendf(nil, `{"error":{"code":"AuthorizationFailed","message":"https://st.blob.core.windows.net/c?sv=2024&se=2027&sig=%s77 with AccountKey=%s78;EndpointSuffix=x is not allowed. Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lb25lIn0.%s79xxxxxxxxxxxxx"}}`, song, song, song)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return resp, nil
}

// placesOf are the places for one row. In policies words stay: without them
// the policies say nothing.
func placesOf(row map[string]any, turn int) map[string]any {
	p, err := loadPlaces()
	if err != nil {
		panic(err) // TestPlaces says so
	}
	typ, _ := row["type"].(string)
	return p.at(turn, !strings.HasPrefix(strings.ToLower(typ), "microsoft.authorization/policy"))
}

// plant adds the secrets to the rows of an answer, or to the object that it is.
func plant(v any, depth, turn int) (rows int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			turn++
			if m, ok := e.(map[string]any); ok {
				m["planted"] = planted()
				m["places"] = placesOf(m, turn)
				if props, ok := m["properties"].(map[string]any); ok {
					maps.Copy(props, planted())
				}
				rows++
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if list, ok := v[k].([]any); ok && depth < 2 {
				rows += plant(list, depth+1, turn+rows)
			}
		}
		if depth == 0 && rows == 0 {
			v["planted"] = planted()
			v["places"] = placesOf(v, turn)
			rows++
		}
	}
	return rows
}

// traces lists which secrets are in a folder: in the files as they are and in
// what is compressed in them, plain and as base64.
func traces(t *testing.T, dir string) (found map[string]int, files int) {
	t.Helper()
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	found = map[string]int{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		where := strings.TrimPrefix(path, dir)
		look(found, where, b)
		for off := 0; ; {
			i := bytes.Index(b[off:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				return nil
			}
			off += i
			r, _ := zstd.NewReader(bytes.NewReader(b[off:]), zstd.WithDecoderConcurrency(1))
			plain, _ := io.ReadAll(r) // what follows the frame is no frame, and ends it
			r.Close()
			look(found, where+" unpacked", plain)
			off += 4
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

func look(found map[string]int, where string, b []byte) {
	for _, sign := range append([]string{azuresim.Canary, "s1mulated-Pa55word"}, signs...) {
		enc := base64.StdEncoding.EncodeToString([]byte("xx" + sign))[4:16]
		for rest := b; ; {
			i := bytes.Index(rest, []byte(sign))
			if i < 0 {
				break
			}
			end := min(i+len(sign)+2, len(rest))
			found[where+" "+string(rest[i:end])]++
			rest = rest[i+len(sign):]
		}
		if sign == song && bytes.Contains(b, []byte(enc)) {
			found[where+" (base64)"]++
		}
	}
}

// TestCanaries: of the secrets that are in every row of every answer nothing
// reaches the spool, the journal, the store, or a report. The control collects
// without the guards.
func TestCanaries(t *testing.T) {
	s := newStand(t, estateText(t))
	run := func(dir string, off ...string) (*work.Collected, *planter) {
		t.Helper()
		s.clock.Set(matrixNow)
		o, err := s.options(dir)
		if err != nil {
			t.Fatal(err)
		}
		tuned(&o, off...)
		p := &planter{rows: map[string]*atomic.Int64{}}
		for _, u := range o.Endpoints.URL {
			if at, err := url.Parse(u); err == nil {
				p.rows[at.Host] = &atomic.Int64{}
			}
		}
		plain := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.sim.Authorities()}}
		p.next = plain
		t.Cleanup(plain.CloseIdleConnections)
		o.Transport = &http.Client{Transport: p}
		c, err := work.Collect(t.Context(), work.CollectOptions{Sources: work.Sources(), Collect: o, Assess: work.AssessOptions{Now: matrixNow, Engine: "test"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Run.Close() })
		return c, p
	}
	dir := t.TempDir()
	spool, data, out := filepath.Join(dir, "spool"), filepath.Join(dir, "data"), filepath.Join(dir, "out")
	c, p := run(spool)
	for _, h := range []collect.Host{collect.HostARM, collect.HostGraph, collect.HostDevOps, collect.HostGitHub, collect.HostPower, collect.HostPowerAPI, collect.HostDataverse} {
		at, err := url.Parse(s.sim.Endpoint(string(h)))
		if err != nil || p.rows[at.Host].Load() < 3 {
			t.Errorf("nothing was planted in answers of %s", h)
		}
	}
	if p.refused.Load() < 3 {
		t.Error("no refusal repeated a secret")
	}
	st, err := store.Create(t.Context(), data, "Contoso", matrixNow, store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := c.Recording()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := work.Record(t.Context(), st, rec, matrixNow.Add(time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	stored, err := st.Load(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	items := writeReports(t, out, c, stored.Snapshot)
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	found, files := traces(t, dir)
	for _, k := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%d × %s", found[k], k)
	}
	var rows int64
	for _, n := range p.rows {
		rows += n.Load()
	}
	t.Logf("%d kinds of secrets in %d rows and %d refusals; %d files, %d items loaded from the store: %d traces", len(planted()), rows, p.refused.Load(), files, items, len(found))
	if items < 1000 || files < 10 {
		t.Errorf("%d items in %d files: the test does not reach what it is about", items, files)
	}

	open := t.TempDir()
	run(open, "redact", "askRedact")
	if found, _ := traces(t, open); len(found) < 20 {
		t.Errorf("without the guards %d traces are found: the test shows nothing", len(found))
	}
}

// writeReports writes everything that leaves the program, and the pages as the
// store gives them.
func writeReports(t *testing.T, dir string, c *work.Collected, loaded *tickmark.Snapshot) (items int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, do func(w io.Writer) error) {
		var b bytes.Buffer
		if err := do(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("report.json", func(w io.Writer) error { return report.JSON(w, c.Assessment) })
	write("report.csv", func(w io.Writer) error { return report.CSV(w, c.Assessment) })
	write("report.html", func(w io.Writer) error { return report.HTML(w, c.Assessment, report.HTMLOptions{}) })
	write("report.sarif", func(w io.Writer) error { return report.SARIF(w, c.Assessment, report.SARIFOptions{}) })
	write("report.txt", func(w io.Writer) error { return report.Terminal(w, c.Assessment, report.TerminalOptions{Limit: -1}) })
	write("coverage.txt", func(w io.Writer) error {
		return report.Coverage(w, c.Coverage, report.TerminalOptions{Limit: -1})
	})
	write("loaded", func(w io.Writer) error {
		for i := range loaded.Segments {
			seg := &loaded.Segments[i]
			for j := range seg.Pages {
				items += len(seg.Pages[j].Items)
				if _, err := w.Write(seg.Pages[j].Bytes); err != nil {
					return err
				}
				if err := json.NewEncoder(w).Encode(seg.Pages[j].Request); err != nil {
					return err
				}
			}
			if err := json.NewEncoder(w).Encode(seg.Coverage); err != nil {
				return err
			}
		}
		return json.NewEncoder(w).Encode(c.Problems)
	})
	return items
}
