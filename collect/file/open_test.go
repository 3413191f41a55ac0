// SPDX-License-Identifier: Apache-2.0

package file

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// shared returns the folder of shared facts, or skips the test.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("TICKMARK_SHARED")
	for dir := "."; root == ""; dir = filepath.Join(dir, "..") {
		abs, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		candidate := filepath.Join(abs, "..", "shared")
		if st, err := os.Stat(candidate); err == nil && st.IsDir() {
			root = candidate
		} else if abs == string(filepath.Separator) {
			t.Skip("no ../shared here: set TICKMARK_SHARED")
		}
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

func open(t *testing.T, o Options, paths ...string) *Files {
	t.Helper()
	f, err := Open(t.Context(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range f.Snapshot.Segments {
		checkPages(t, s)
	}
	return f
}

// checkPages holds every page to its contract.
func checkPages(t testing.TB, s tickmark.Segment) {
	t.Helper()
	items := 0
	for _, p := range s.Pages {
		if p.Digest != tickmark.DigestOf(p.Bytes) && !p.Digest.IsZero() {
			t.Errorf("%s: wrong digest", p.Name)
		}
		at := 0
		for _, it := range p.Items {
			if it.Off < at || it.Len <= 0 || it.Off+it.Len > len(p.Bytes) {
				t.Fatalf("%s: item %+v after %d in %d bytes", p.Name, it, at, len(p.Bytes))
			}
			at = it.Off + it.Len
		}
		items += len(p.Items)
	}
	if items != s.Coverage.Items || len(s.Pages) != s.Coverage.Pages {
		t.Errorf("%s: coverage %+v, but %d items in %d pages", s.Scope, s.Coverage, items, len(s.Pages))
	}
}

const (
	vault = `{"id":"/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/v","name":"v","type":"Microsoft.KeyVault/vaults","properties":{"a":1}}`
	other = `{"id":"/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/virtualNetworks/n","name":"n","type":"Microsoft.Network/virtualNetworks","properties":{"a":1}}`
	user  = `{"id":"3f1a","userPrincipalName":"a@b.c"}`
)

func TestRecognise(t *testing.T) {
	cases := []struct {
		name, text string
		forms      string // of the pages
		items      string // per page
		entity     string
		missing    tickmark.Reason
		declared   int
		problem    string // part of the first problem; empty for none
	}{
		{"arm list", `{"value":[` + vault + `,` + vault + `]}`, "armList", "2", "", "", -1, ""},
		{"arm list with null link", `{"nextLink":null,"value":[` + vault + `]}`, "armList", "1", "", "", -1, ""},
		{"arm list cut", `{"value":[` + vault + `],"nextLink":"https://management.azure.com/x?$skiptoken=1"}`, "armList", "1", "", "truncated", -1, "link or token"},
		{"empty list", `{"value":[]}`, "armList", "0", "", "", -1, ""},
		{"resource graph", `{"totalRecords":1,"count":1,"data":[` + vault + `],"facets":[],"resultTruncated":"false"}`, "resourceGraph", "1", "", "", 1, ""},
		{"resource graph cut", `{"totalRecords":7,"count":1,"data":[` + vault + `],"resultTruncated":"true"}`, "resourceGraph", "1", "", "truncated", 7, "1 rows, but the source counted 7"},
		{"resource graph token", `{"totalRecords":7,"count":1,"data":[` + vault + `],"$skipToken":"abc"}`, "resourceGraph", "1", "", "truncated", 7, "1 of 7 rows"},
		{"resource graph wrong count", `{"totalRecords":1,"count":2,"data":[` + vault + `]}`, "unrecognised", "0", "", "unparsable", -1, "count says 2 rows, but there are 1"},
		{"az graph query", `{"count":1,"data":[` + vault + `],"skip_token":null,"total_records":1}`, "resourceGraph", "1", "", "", 1, ""},
		{"az graph query cut", `{"count":1,"data":[` + vault + `],"skip_token":"t","total_records":3}`, "resourceGraph", "1", "", "truncated", 3, "1 of 3 rows"},
		{"table", `{"totalRecords":2,"count":2,"data":{"columns":[{"name":"id","type":"string"},{"name":"type","type":"string"}],"rows":[["/a","t"],["/b","t"]]}}`, "resourceGraphTable", "2", "", "", 2, ""},
		{"table without columns", `{"data":{"rows":[["/a","t"]]}}`, "unrecognised", "0", "", "unparsable", -1, "no columns"},
		{"array", `[` + vault + `]`, "array", "1", "", "", -1, ""},
		{"empty array", ` [ ] `, "array", "0", "", "", -1, ""},
		{"object", vault + "\n", "armObject", "1", "", "", -1, ""},
		{"lines", vault + "\n" + vault + "\n\n" + vault, "jsonLines", "3", "", "", -1, ""},
		{"pages in one input", `{"value":[` + vault + `],"nextLink":"n"}` + "\n" + `{"value":[` + vault + `]}`, "armList armList", "1 1", "", "", -1, ""},
		{"pages slurped", `[{"value":[` + vault + `],"nextLink":"n"},` + "\n" + ` {"value":[` + vault + `]}]`, "armList armList", "1 1", "", "", -1, ""},
		{"pages in one input, cut", `{"value":[` + vault + `],"nextLink":"n"}` + "\n" + `{"value":[` + vault + `],"nextLink":"m"}`, "armList armList", "1 1", "", "truncated", -1, "link or token"},
		{"pages of one list by link", `{"value":[` + vault + `],"nextLink":"https://management.azure.com/subscriptions/S/providers/Microsoft.KeyVault/vaults?$skiptoken=1"}` + "\n" + `{"value":[` + vault + `]}`, "armList armList", "1 1", "", "", -1, ""},
		{"a cut list before one of another type", `{"value":[` + vault + `],"nextLink":"https://management.azure.com/subscriptions/s/providers/Microsoft.KeyVault/vaults?$skiptoken=1"}` + "\n" + `{"value":[` + other + `]}`, "armList armList", "1 1", "", "truncated", -1, "link or token"},
		{"a cut list before one of another subscription", `{"value":[` + vault + `],"nextLink":"https://management.azure.com/subscriptions/z/providers/Microsoft.KeyVault/vaults?$skiptoken=1"}` + "\n" + `{"value":[` + vault + `]}`, "armList armList", "1 1", "", "truncated", -1, "link or token"},
		{"pages of all resources", `{"value":[` + vault + `],"nextLink":"https://management.azure.com/subscriptions/s/resources?$skiptoken=1"}` + "\n" + `{"value":[` + other + `]}`, "armList armList", "1 1", "", "", -1, ""},
		{"a cut answer before one to another query", `{"count":1,"data":[` + vault + `],"skip_token":"t","total_records":3}` + "\n" + `{"count":2,"data":[` + other + `,` + other + `],"skip_token":null,"total_records":2}`, "resourceGraph resourceGraph", "1 2", "", "truncated", 5, "1 of 3 rows"},
		{"pages of two lists", `{"value":[` + vault + `],"nextLink":"n"}` + "\n" + vault, "armList armObject", "1 1", "", "truncated", -1, "link or token"},
		{"resource graph pages", `{"totalRecords":2,"count":1,"data":[` + vault + `],"$skipToken":"a"}` + "\n" + `{"totalRecords":2,"count":1,"data":[` + vault + `]}`, "resourceGraph resourceGraph", "1 1", "", "", 2, ""},
		{"resource graph page lost", `{"totalRecords":3,"count":1,"data":[` + vault + `],"$skipToken":"a"}` + "\n" + `{"totalRecords":3,"count":1,"data":[` + vault + `]}`, "resourceGraph resourceGraph", "1 1", "", "truncated", 3, "counted 3"},
		{"lines then a list", vault + "\n" + vault + "\n" + `{"value":[` + vault + `]}`, "jsonLines armList", "2 1", "", "", -1, ""},
		{"lines and arrays", vault + "\n[" + vault + "]", "armObject array", "1 1", "", "", -1, ""},
		{"graph", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[` + user + `]}`, "graphCollection", "1", "graph/users", "", -1, ""},
		{"graph cut", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","@odata.nextLink":"https://graph.microsoft.com/v1.0/users?$skiptoken=x","value":[` + user + `]}`, "graphCollection", "1", "graph/users", "truncated", -1, "link or token"},
		{"graph counted", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users(id)","@odata.count":2,"value":[` + user + `]}`, "graphCollection", "1", "graph/users", "truncated", 2, "counted 2"},
		{"graph entity", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#policies/authorizationPolicy/$entity","id":"authorizationPolicy"}`, "graphEntity", "1", "graph/authorizationPolicy", "", -1, ""},
		{"own output", `{"tool":{},"catalog":"","criteria":[]}`, "unrecognised", "0", "", "unparsable", -1, "tickmark's own output"},
		{"error answer", `{"error":{"code":"AuthorizationFailed","message":"The client …"}}`, "unrecognised", "0", "", "notPermitted", -1, "error answer"},
		{"no licence", `{"error":{"code":"AadPremiumLicenseRequired","message":"x"}}`, "unrecognised", "0", "", "noLicence", -1, "error answer"},
		{"null list", `{"value":null}`, "unrecognised", "0", "", "unparsable", -1, `"value" is "null", not a list`},
		{"empty object", `{}`, "unrecognised", "0", "", "unparsable", -1, "empty object"},
		{"a number", `42`, "unrecognised", "0", "", "unparsable", -1, "not an object or a list"},
		{"empty", ``, "unrecognised", "0", "", "unparsable", -1, "empty"},
		{"html", "<!DOCTYPE html>", "unrecognised", "0", "", "unparsable", -1, "HTML"},
		{"text", "ERROR: (AuthorizationFailed) no", "unrecognised", "0", "", "unparsable", -1, "not JSON"},
		{"byte order mark", "\xef\xbb\xbf[]", "unrecognised", "0", "", "unparsable", -1, "byte order mark"},
		{"utf-16", "\xff\xfe[\x00]\x00", "unrecognised", "0", "", "unparsable", -1, "UTF-16"},
		{"NUL", "[]\x00", "array", "0", "", "unparsable", -1, "NUL"},
		{"trailing", `{"value":[` + vault + `]}]`, "armList", "1", "", "unparsable", -1, "behind the end"},
		{"duplicate link", `{"value":[],"nextLink":"a","nextLink":null}`, "unrecognised", "0", "", "unparsable", -1, "occurs twice"},
		{"case-variant link", `{"value":[],"nextLink":null,"NEXTLINK":"x"}`, "unrecognised", "0", "", "unparsable", -1, "only in case"},
		{"two lists", `{"value":[` + vault + `],"Value":[]}`, "unrecognised", "0", "", "unparsable", -1, "only in case"},
		{"numeric link", `{"value":[],"nextLink":1}`, "unrecognised", "0", "", "unparsable", -1, "nextLink is"},
		{"resource with a value", `{"id":"/a","type":"b/c","value":[1,2]}`, "armObject", "1", "", "", -1, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			seg, problems := recognise("in.json", []byte(c.text))
			checkPages(t, seg)
			var forms, items []string
			joined := ""
			for _, p := range seg.Pages {
				forms = append(forms, p.Form)
				items = append(items, fmt.Sprint(len(p.Items)))
				joined += string(p.Bytes)
			}
			if got := strings.Join(forms, " "); got != c.forms {
				t.Errorf("forms %q, want %q", got, c.forms)
			}
			if got := strings.Join(items, " "); got != c.items {
				t.Errorf("items %q, want %q", got, c.items)
			}
			if len(seg.Pages) > 0 && seg.Pages[0].Entity != c.entity {
				t.Errorf("entity %q, want %q", seg.Pages[0].Entity, c.entity)
			}
			if seg.Coverage.Missing != c.missing || seg.Coverage.Declared != c.declared {
				t.Errorf("coverage %+v", seg.Coverage)
			}
			switch {
			case c.problem == "" && len(problems) > 0:
				t.Errorf("unexpected problem %+v", problems[0])
			case c.problem != "" && (len(problems) == 0 || !strings.Contains(problems[0].What, c.problem)):
				t.Errorf("problems %+v, want %q", problems, c.problem)
			}
			if c.problem == "" && joined != c.text {
				t.Errorf("the pages are not the input: %q", joined)
			}
		})
	}
}

func TestEntityOf(t *testing.T) {
	const g = "https://graph.microsoft.com/v1.0/$metadata#"
	cases := []struct {
		context, entity string
		projected       bool
	}{
		{g + "users", "graph/users", false},
		{g + "users(id,displayName)", "graph/users", true},
		{g + "users/$entity", "graph/users", false},
		{g + "users(manager())", "graph/users", false},
		{g + "identity/conditionalAccess/policies", "graph/conditionalAccessPolicies", false},
		{g + "conditionalAccess/policies/$entity", "graph/conditionalAccessPolicies", false},
		{g + "reports/authenticationMethods/userRegistrationDetails", "graph/userRegistrationDetails", false},
		{g + "policies/authorizationPolicy/$entity", "graph/authorizationPolicy", false},
		{g + "roleManagement/directory/roleAssignments", "graph/roleAssignments", false},
		{g + "roleManagement/directory/roleAssignments(principal())", "graph/roleAssignments", false},
		{g + "directoryObjects", "", false},
		{g + "directoryRoles('1a(b)')/members", "", false},
		{g + "groups('1a')/members/microsoft.graph.user", "graph/users", false},
		{g + "organization", "graph/organization", false},
		{g + "Collection(microsoft.graph.user)", "graph/users", false},
		{"", "", false},
	}
	for _, c := range cases {
		if e, p := EntityOf(c.context); e != c.entity || p != c.projected {
			t.Errorf("%s: %q %v, want %q %v", c.context, e, p, c.entity, c.projected)
		}
	}
}

// strictly reads a text as the whole program does: structure here, each item
// with jsontape. It returns the first thing that is wrong, with its offset.
func strictly(text []byte) (int, error) {
	seg, problems := recognise("x", text)
	start := 0
	var parser jsontape.Parser
	for _, p := range seg.Pages {
		for _, it := range p.Items {
			if _, err := parser.Parse(p.Bytes[it.Off : it.Off+it.Len]); err != nil {
				var e *jsontape.Error
				if errors.As(err, &e) {
					return start + it.Off + e.Offset, err
				}
				return -1, err
			}
		}
		start += len(p.Bytes)
	}
	if len(problems) > 0 {
		return int(problems[0].Byte), errors.New(problems[0].What)
	}
	return 0, nil
}

// strictDuplicates are valid for RFC 8259 and refused on purpose.
var strictDuplicates = map[string]bool{"y_object_duplicated_key.json": true, "y_object_duplicated_key_and_value.json": true}

func TestCorpus(t *testing.T) {
	names, err := filepath.Glob(shared(t, "corpora", "json", "*.json"))
	if err != nil || len(names) < 300 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	refused, read := 0, 0
	for _, path := range names {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(path)
		off, bad := strictly(text)
		switch base[0] {
		case 'n':
			if bad == nil || off < 0 || off > len(text) {
				t.Errorf("%s: %q read; want it refused with a position (got %d, %v)", base, clip(text), off, bad)
			}
			refused++
		case 'y':
			// Not everything that is JSON is an export; it must be read as JSON
			// all the same, and be given to the recogniser as a list element.
			_, err := jsontape.Parse(text, jsontape.Options{})
			if strictDuplicates[base] != (err != nil) {
				t.Errorf("%s: jsontape: %v", base, err)
			}
			if _, bad := strictly([]byte(`{"value":[` + string(text) + `]}`)); strictDuplicates[base] != (bad != nil) {
				t.Errorf("%s: in a list: %v", base, bad)
			}
			read++
		}
	}
	t.Logf("%d refused, %d read", refused, read)
}

// TestTruncation cuts an export at every byte. What remains is never read
// cleanly: it has a problem, or it is the whole.
func TestTruncation(t *testing.T) {
	object := `{"id":"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/a%d","name":"a%d","type":"Microsoft.Storage/storageAccounts","tags":{"q":"a\"]}b\\"},"properties":{"minimumTlsVersion":"TLS1_2","n":12345,"allow":true,"acls":{"rules":[{"value":"10.0.0.0/8"},{"value":"1.2.3.4"}]}}}`
	var objects []string
	for i := range 14 {
		objects = append(objects, fmt.Sprintf(object, i, i))
	}
	forms := map[string]string{
		"arm":      `{"value":[` + strings.Join(objects, ",") + `],"nextLink":null}`,
		"resource": `{"totalRecords":14,"count":14,"data":[` + strings.Join(objects, ", \n") + `],"facets":[],"resultTruncated":"false"}`,
		"array":    "[\n" + strings.Join(objects, ",\n") + "\n]",
		"table":    `{"totalRecords":14,"count":14,"data":{"columns":[{"name":"id"},{"name":"properties"}],"rows":[["/a",` + objects[0] + `],["/b",` + strings.Join(objects[1:], `],["/c",`) + `]]}}`,
		"graph":    `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[` + strings.Join(objects, ",") + `]}`,
		"object":   `{"id":"/a","type":"b/c","properties":{"list":[` + strings.Join(objects, ",") + `]}}`,
	}
	for name, text := range forms {
		t.Run(name, func(t *testing.T) {
			if len(text) < 4096 {
				t.Fatalf("only %d bytes", len(text))
			}
			if off, err := strictly([]byte(text)); err != nil {
				t.Fatalf("whole: byte %d: %v", off, err)
			}
			for cut := range len(text) {
				if _, err := strictly([]byte(text[:cut])); err == nil {
					t.Fatalf("cut at %d read cleanly", cut)
				}
			}
		})
	}
	// JSON lines carry no count: a cut between two lines cannot be seen, and
	// that is why a file never carries coverage. A cut inside a line is seen.
	t.Run("lines", func(t *testing.T) {
		text := strings.Join(objects, "\n")
		for cut := range len(text) {
			whole := cut > 0 && (text[cut] == '\n' || text[cut-1] == '\n')
			if _, err := strictly([]byte(text[:cut])); (err == nil) != whole {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
	})
}

func write(t *testing.T, path string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.Create(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.json"), []byte("["+vault+"]"))
	write(t, filepath.Join(dir, "a", "z.bin"), gzipped(t, `{"value":[`+vault+`,`+vault+`]}`))
	write(t, filepath.Join(dir, "c.zip"), zipped(t, "two.json", vault, "one.json", "["+vault+","+vault+","+vault+"]", "../../etc/x", "{", "README.md", "# no"))
	write(t, filepath.Join(dir, "README.md"), []byte("# exports"))
	write(t, filepath.Join(dir, ".hidden"), []byte("nothing"))
	write(t, filepath.Join(dir, "d.part"), []byte(`{"value":[`+vault))
	write(t, filepath.Join(dir, "d2.json.part"), []byte(`{"value":[`+vault+`]}`))
	big := write(t, filepath.Join(dir, "e-big.json"), []byte(`{"value":[`+strings.Repeat(vault+",\n", 12000)+vault+`]}`))
	f := open(t, Options{Stdin: strings.NewReader(vault), CompleteTypes: []string{"Microsoft.Sql/servers"}}, dir, "-", filepath.Join(dir, "gone.json"))
	var got []string
	for _, s := range f.Snapshot.Segments {
		got = append(got, fmt.Sprintf("%s %d %s", strings.ReplaceAll(strings.TrimPrefix(s.Scope, dir), "\\", "/"), s.Coverage.Items, s.Coverage.Missing))
		if s.Coverage.CompleteBy != "operator" || len(s.Coverage.Complete) != 1 {
			t.Errorf("%s: no claim", s.Scope)
		}
		for _, p := range s.Pages {
			if p.Digest != tickmark.DigestOf(p.Bytes) {
				t.Errorf("%s: digest", p.Name)
			}
		}
	}
	want := []string{
		"/a/z.bin 2 ", "/b.json 1 ", "/c.zip!../../etc/x 0 truncated", "/c.zip!one.json 3 ", "/c.zip!two.json 1 ",
		"/d.part 1 truncated", "/d2.json.part 1 truncated", "/e-big.json 12001 ", "- 1 ", "/gone.json 0 notCollected",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(f.Snapshot.Problems) != 4 {
		t.Errorf("problems: %+v", f.Snapshot.Problems)
	}
	if len(f.mapped) != 1 || f.mapped[0].path != big {
		t.Errorf("mapped: %+v", f.mapped)
	}
}

func TestOpenRefuses(t *testing.T) {
	var e *tickmark.Error
	if _, err := Open(t.Context(), nil, Options{}); !errors.As(err, &e) || e.Code != tickmark.CodeUsage {
		t.Errorf("no paths: %v", err)
	}
	if _, err := Open(t.Context(), []string{"-"}, Options{CompleteTypes: []string{"storage"}}); !errors.As(err, &e) || e.Code != tickmark.CodeUsage {
		t.Errorf("not a type: %v", err)
	}
}

func TestBombs(t *testing.T) {
	dir := t.TempDir()
	zeros := strings.Repeat("0", 40<<20)
	cases := map[string][]byte{
		"bomb.gz":    gzipped(t, zeros),
		"bomb.zip":   zipped(t, "a", zeros, "b", vault),
		"nested.zip": zipped(t, "a", string(zipped(t, "b", vault))),
		"nested.gz":  gzipped(t, string(gzipped(t, vault))),
		"cut.gz":     gzipped(t, vault)[:40],
		"cut.zip":    zipped(t, "a", vault)[:60],
		"empty.zip":  zipped(t),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			f := open(t, Options{MaxRatio: 50}, write(t, filepath.Join(dir, name), b))
			if len(f.Snapshot.Problems) != 1 || len(f.Snapshot.Segments) != 1 || f.Snapshot.Segments[0].Coverage.Missing == tickmark.ReasonNone {
				t.Errorf("%+v %+v", f.Snapshot.Problems, f.Snapshot.Segments)
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		f := open(t, Options{MaxFiles: 2}, write(t, filepath.Join(dir, "many.zip"), zipped(t, "a", vault, "b", vault, "c", vault)))
		if n := len(f.Snapshot.Problems); n != 1 || !strings.Contains(f.Snapshot.Problems[0].What, "more than 2") {
			t.Errorf("%+v", f.Snapshot.Problems)
		}
	})
}

func TestChangedWhileOpen(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "x.json"), []byte(`[`+strings.Repeat(vault+",", 12000)+vault+`]`))
	f, err := Open(t.Context(), []string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.WriteString(" "); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("closed with %v", err)
	}
}

func FuzzRecognise(f *testing.F) {
	for _, s := range []string{`{"value":[` + vault + `],"nextLink":"x"}`, `[` + vault + `]`, vault + "\n" + vault, `{"data":{"columns":[{"name":"a"}],"rows":[[1]]}}`, `{"count":0,"data":[],"skip_token":null}`, `[{"value":[]},{"value":[{"a":"\\\""}]}]`, "{}{}", "\x00", `{"value":[1,`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		seg, problems := recognise("x", text)
		checkPages(t, seg)
		if (len(problems) > 0) != (seg.Coverage.Missing != tickmark.ReasonNone) {
			t.Errorf("problems %v, missing %q", problems, seg.Coverage.Missing)
		}
		for _, p := range problems {
			if p.Byte > int64(len(text)) || p.What == "" {
				t.Errorf("problem %+v in %d bytes", p, len(text))
			}
		}
		// Every byte is accounted for: the pages are the input.
		var joined []byte
		for _, p := range seg.Pages {
			joined = append(joined, p.Bytes...)
		}
		if !bytes.Equal(joined, text) {
			t.Errorf("pages %q of %q", joined, text)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.json")
	text := []byte(`{"value":[` + strings.Repeat(vault+",\n", 400000) + vault + `]}`)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(b.Context(), []string{path}, Options{})
		if err != nil || f.Snapshot.Segments[0].Coverage.Items != 400001 {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
