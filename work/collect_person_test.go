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
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// The people of the tenant have words in their names, addresses and numbers
// that nothing else has, so that a word that is found is a person's.
const peopled = `
  - {name: Ottilie Quandt, upn: ottilie.quandt@contoso.example, methods: [passKeyDeviceBound], also: {employeeId: EMP-5577001, businessPhones: ["+49 30 6660771"], mobilePhone: "+49 151 6660772", otherMails: [oquandt.privat@post.example]}}
  - {name: Wenzel Zuckmayer, upn: wenzel.zuckmayer@contoso.example, also: {employeeId: EMP-5577002, mobilePhone: "+49 151 6660773"}}
  - {name: "Jördis Öhlund", upn: joerdis.oehlund@contoso.example, noMfa: true, also: {employeeId: EMP-5577003}}
  - {name: Zdenko Ghiberti, upn: zdenko.ghiberti@partner.example, guest: true}`

var peopledWords = []string{
	"ottilie", "quandt", "wenzel", "zuckmayer", "jördis", "öhlund", "joerdis", "oehlund", "zdenko", "ghiberti",
	"5577001", "5577002", "5577003", "6660771", "6660772", "6660773",
}

// peopledEstate is the organisation of the other tests with these people in it.
func peopledEstate(t *testing.T) []byte {
	t.Helper()
	text := string(estateText(t))
	start, end := strings.Index(text, "\n  - {name: Ada Ray, upn"), strings.Index(text, "\ngroups:")
	if start < 0 || end < start {
		t.Fatal("the organisation has no people")
	}
	workers := "\n  - {name: \"Worker {n}\", upn: \"w{n}@contoso.example\", count: 5}"
	text = text[:start] + peopled + workers + text[end:]
	return []byte(strings.NewReplacer("{name: api, ", "{name: api, defaultBranch: blue, ", "- name: site\n", "- name: site\n        defaultBranch: blue\n", "Ada Ray", "Ottilie Quandt", "Bo Li", "Wenzel Zuckmayer", "Careless", "Jördis Öhlund").Replace(text))
}

// encodings are the forms in which a word is looked for.
func encodings(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		out[w] = w
		out[strings.ToLower(url.QueryEscape(w))] = w + " (percent)"
		if plain, _ := json.Marshal(w); strings.Contains(string(plain), `\u`) {
			out[strings.Trim(string(plain), `"`)] = w + " (escaped)"
		}
	}
	return out
}

// inBase64 are what remains of a word in Base64, whatever stands before it.
func inBase64(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		for _, form := range []string{w, strings.ToUpper(w), strings.ToUpper(w[:1]) + w[1:]} {
			for before := range 3 {
				s := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + form))
				from, to := (before*8+5)/6, (before+len(form))*8/6
				if len(form) >= 6 {
					out[s[from:to]] = w + " (base64)"
				}
			}
		}
	}
	return out
}

var onwards = regexp.MustCompile(`"next":"[^"]*"`)

// persons finds people in the files of a folder, in what is compressed in them
// too.
func persons(t *testing.T, dir string, words []string) (found map[string]string, files int) {
	t.Helper()
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	found = map[string]string{}
	plain, coded := encodings(words), inBase64(words)
	see := func(where string, b []byte) {
		low := bytes.ToLower(b)
		for set, text := range map[*map[string]string][]byte{&plain: low, &coded: b} {
			for form, word := range *set {
				if at := bytes.Index(text, []byte(form)); at >= 0 {
					found[where+": "+word] = string(b[max(0, min(at, len(b))-160):min(len(b), at+60)])
				}
			}
		}
	}
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
		if d.Name() == "journal.jsonl" {
			// An interrupted collection goes on by the token to the next page; the
			// journal is no evidence and is removed with the spool.
			b = onwards.ReplaceAll(b, nil)
		}
		see(where, b)
		for off := 0; ; off += 4 {
			i := bytes.Index(b[off:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				return nil
			}
			off += i
			r, _ := zstd.NewReader(bytes.NewReader(b[off:]), zstd.WithDecoderConcurrency(1))
			text, _ := io.ReadAll(r) // what follows the frame is no frame, and ends it
			r.Close()
			see(where+" unpacked", text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

// introducer puts people into answers on their way to the engine, in the places
// where the services have them and the simulator has not.
type introducer struct {
	next http.RoundTripper
	into map[string]int // shapes that were met
	lock chan struct{}
}

const invited = "upn:11111111-2222-3333-4444-555555555555\\ottilie.quandt@contoso.example"

// opaque is in the token to each next page.
var opaque = base64.RawURLEncoding.EncodeToString([]byte("OTTILIE.QUANDT@CONTOSO.EXAMPLE"))

func (p *introducer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "skiptoken="+opaque+".", "skiptoken=")
	resp, err := p.next.RoundTrip(r)
	if err == nil && strings.Contains(r.URL.Path, "/insights-logs-") && strings.HasSuffix(r.URL.Path, ".json") {
		p.lock <- struct{}{}
		p.into["archive"]++
		<-p.lock
	}
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
	if d.Decode(&v) == nil {
		p.lock <- struct{}{}
		p.introduce(v)
		<-p.lock
		if b, err := json.Marshal(v); err == nil {
			body = b
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return resp, nil
}

// shapes are records by a member that tells them, and what is put into them.
var introduced = []struct {
	name string
	has  []string
	put  string
}{
	{"pull request of Azure DevOps", []string{"pullRequestId", "sourceRefName"}, `{"title":"Rework by Ottilie Quandt","description":"asked for by wenzel.zuckmayer@contoso.example, phone 6660773",
		"sourceRefName":"refs/heads/users/ottilie.quandt/fix","autoCompleteSetBy":{"id":"7","displayName":"Ottilie Quandt","uniqueName":"ottilie.quandt@contoso.example"},
		"labels":[{"name":"rework"}]}`},
	{"run of Azure DevOps", []string{"buildNumber", "sourceVersion"}, `{"triggerInfo":{"ci.message":"Merge of Ottilie Quandt","pr.title":"Rework by Ottilie Quandt","pr.sourceBranch":"refs/heads/users/ottilie.quandt/fix","pr.sender.name":"Ottilie Quandt"}}`},
	{"user of Azure DevOps", []string{"subjectKind", "mailAddress"}, `{"legacyDescriptor":"Microsoft.IdentityModel.Claims.ClaimsIdentity;11111111-2222-3333-4444-555555555555\\ottilie.quandt@contoso.example",
		"directoryAlias":"ottilie.quandt","_links":{"avatar":{"href":"https://dev.azure.com/contoso/_apis/GraphProfile/MemberAvatars/bnd.` + base64.RawURLEncoding.EncodeToString([]byte(invited)) + `"}}}`},
	{"access of Azure DevOps", []string{"acesDictionary"}, `{"acesDictionary":{"Microsoft.IdentityModel.Claims.ClaimsIdentity;11111111-2222-3333-4444-555555555555\\ottilie.quandt@contoso.example":
		{"descriptor":"Microsoft.IdentityModel.Claims.ClaimsIdentity;11111111-2222-3333-4444-555555555555\\ottilie.quandt@contoso.example","allow":2,"deny":0}}}`},
	{"event of Azure DevOps", []string{"actorUserId", "actionId"}, `{"actorUPN":"ottilie.quandt@contoso.example","data":{"MemberDisplayName":"Ottilie Quandt","GroupName":"Builders"},"details":"Ottilie Quandt was added to Builders"}`},
	{"pull request of GitHub", []string{"number", "head"}, `{"title":"Rework by Ottilie Quandt","head":{"ref":"wenzel-zuckmayer-patch","label":"contoso:wenzel-zuckmayer-patch","sha":"1"}}`},
	{"deployment of GitHub", []string{"production_environment", "creator"}, `{"description":"by hand, Ottilie Quandt"}`},
	{"dismissed alert of GitHub", []string{"security_advisory"}, `{"dismissed_by":{"login":"ottilie-quandt","type":"User"},"dismissed_comment":"Wenzel Zuckmayer agrees"}`},
	{"granted application", []string{"principalDisplayName", "principalId"}, `{"principalDisplayName":"Ottilie Quandt","principalType":"User"}`},
	{"run of GitHub", []string{"head_branch", "head_sha"}, `{"display_title":"Rework by Ottilie Quandt","head_commit":{"id":"1","message":"by Ottilie Quandt","author":{"name":"Ottilie Quandt","email":"ottilie.quandt@contoso.example"}}}`},
	{"directory audit", []string{"activityDisplayName", "targetResources"}, `{"targetResources":[{"id":"7","type":"User","displayName":"Ottilie Quandt","userPrincipalName":"ottilie.quandt@contoso.example","modifiedProperties":[
		{"displayName":"DisplayName","oldValue":"[\"Ottilie Zuckmayer\"]","newValue":"[\"Ottilie Quandt\"]"},{"displayName":"ExtensionAttribute4","oldValue":"[]","newValue":"[\"Frau Quandt\"]"},
		{"displayName":"AccountEnabled","oldValue":"[true]","newValue":"[false]"},{"displayName":"Group.DisplayName","oldValue":null,"newValue":"\"Builders\""},
		{"displayName":"TargetId.UserType","oldValue":null,"newValue":"\"Member\""}]},
		{"id":"8","type":"Policy","displayName":"MFA for all","modifiedProperties":[{"displayName":"PolicyDetail","oldValue":null,"newValue":"[\"{\\\"owner\\\":\\\"wenzel.zuckmayer@contoso.example\\\",\\\"state\\\":\\\"enabled\\\"}\"]"}]}],
		"additionalDetails":[{"key":"UserPrincipalName","value":"ottilie.quandt@contoso.example"},{"key":"MobilePhone","value":"+49 151 6660772"},{"key":"User-Agent","value":"curl"}]}`},
	{"activity", []string{"eventDataId", "caller"}, `{"claims":{"name":"Ottilie Quandt","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":"Quandt","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"ottilie.quandt@contoso.example","appid":"8"},
		"properties":{"requestbody":"{\"tags\":{\"owner\":\"wenzel.zuckmayer@contoso.example\"}}"}}`},
	{"resource", []string{"id", "type", "location", "properties"}, `{"tags":{"Owner":"Ottilie Quandt","app":"ottilie.quandt@contoso.example","cc":"mailto:wenzel.zuckmayer%40contoso.example"},
		"systemData":{"createdBy":"live.com#ottilie.quandt@contoso.example","createdByType":"User","lastModifiedBy":"WENZEL.ZUCKMAYER@CONTOSO.EXAMPLE","lastModifiedByType":"User"}}`},
	{"environment of Power Platform", []string{"name", "properties", "type"}, `{"planted":{"displayName":"Ottilie Quandt's Environment"}}`},
	{"refusal", []string{"code", "message"}, `{"message":"The client 'ottilie.quandt@contoso.example' with object id '7' does not have authorization to perform action"}`},
}

func (p *introducer) introduce(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			p.introduce(e)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if link, ok := v[k].(string); ok && strings.Contains(strings.ToLower(k), "nextlink") {
				v[k] = strings.Replace(link, "skiptoken=", "skiptoken="+opaque+".", 1)
			}
			p.introduce(v[k])
		}
		for _, s := range introduced {
			if !slices.ContainsFunc(s.has, func(m string) bool { return v[m] == nil }) {
				var more map[string]any
				if err := json.Unmarshal([]byte(s.put), &more); err != nil {
					panic(s.name + ": " + err.Error())
				}
				maps.Copy(v, mergePatch(v, more))
				p.into[s.name]++
			}
		}
	}
}

// roster writes what the payroll says of the people, one of whom has left and
// can still sign in; number is how the table names them.
func roster(t *testing.T, dir string, number func(string) string) []tickmark.Segment {
	t.Helper()
	name := filepath.Join(dir, "payroll.csv")
	rows := "Number,Mail,Start,End\n"
	for _, r := range [][3]string{{"1", "ottilie.quandt", ",2020-01-01,"}, {"2", "wenzel.zuckmayer", ",2020-01-01,2026-05-31"}, {"3", "joerdis.oehlund", ",2021-01-01,"}} {
		rows += number("EMP-557700"+r[0]) + "," + number(r[1]+"@contoso.example") + r[2] + "\n"
	}
	mapping := "type: hr/people\nid: [Number]\ncolumns: {employeeId: Number, email: Mail, startDate: Start, endDate: End}\ncount: 3\ncountFrom: payroll\n"
	for path, text := range map[string]string{name: rows, name + ".map.yaml": mapping} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := work.OpenBeside(t.Context(), []string{name}, matrixNow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f.Snapshot.Segments
}

// TestPeople: of the people of a tenant nothing reaches the spool, the store or
// a report under pseudonyms: no name, address, login, number, not as a part of
// another word, in an address of a page or in Base64. All checks come to the
// same and as many records are read, so who is the same in two sources still is. The
// control is the same collection without pseudonyms.
func TestPeople(t *testing.T) {
	s := newStand(t, peopledEstate(t))
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	number := func(p *inventory.Pseudonyms) func(string) string {
		return func(plain string) string {
			if p == nil {
				return plain
			}
			b, _ := p.Answer(fmt.Appendf(nil, `{"employeeId":%q}`, plain))
			return strings.Split(string(b), `"`)[3]
		}
	}
	collected := func(dir string, p *inventory.Pseudonyms) (*work.Collected, *introducer) {
		t.Helper()
		beside := roster(t, t.TempDir(), number(p))
		s.clock.Set(matrixNow)
		o, err := s.options(filepath.Join(dir, "spool"))
		if err != nil {
			t.Fatal(err)
		}
		tuned(&o)
		plain := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.sim.Authorities()}}
		t.Cleanup(plain.CloseIdleConnections)
		in := &introducer{next: plain, into: map[string]int{}, lock: make(chan struct{}, 1)}
		o.Transport = &http.Client{Transport: in}
		c, err := work.Collect(t.Context(), work.CollectOptions{Sources: work.Sources(), Collect: o, Pseudonyms: p, Beside: beside, Assess: work.AssessOptions{Now: matrixNow, Engine: "test"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Run.Close() })
		st, err := store.Create(t.Context(), filepath.Join(dir, "data"), "Contoso", matrixNow, store.Options{Sample: true})
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
		writeReports(t, filepath.Join(dir, "out"), c, stored.Snapshot)
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		return c, in
	}
	open, kept := t.TempDir(), t.TempDir()
	was, in := collected(open, nil)
	for _, x := range introduced {
		if in.into[x.name] == 0 {
			t.Errorf("nobody was put into a %s", x.name)
		}
	}
	if in.into["archive"] < 3 {
		t.Errorf("%d files of archives were read", in.into["archive"])
	}
	control, _ := persons(t, open, peopledWords)
	for _, w := range peopledWords {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(control)), func(k string) bool { return strings.Contains(k, w) }) {
			t.Errorf("without pseudonyms %s is not found: the test shows nothing", w)
		}
	}
	is, _ := collected(kept, p)
	found, files := persons(t, kept, peopledWords)
	for _, k := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s: …%q…", k, found[k])
	}
	t.Logf("%d traces without pseudonyms, %d with, in %d files; %d pseudonyms", len(control), len(found), files, len(p.Map()))
	same(t, was, is)
}

// same holds two collections to each other.
func same(t *testing.T, was, is *work.Collected) {
	t.Helper()
	count := func(s *tickmark.Snapshot) map[string]int {
		n := map[string]int{}
		for i := range s.Segments {
			for k := range s.Segments[i].Pages {
				n[s.Segments[i].Source+"/"+s.Segments[i].Pages[k].Ask] += len(s.Segments[i].Pages[k].Items)
			}
		}
		return n
	}
	if a, b := count(was.Snapshot), count(is.Snapshot); !maps.Equal(a, b) {
		for k, n := range a {
			if b[k] != n {
				t.Errorf("%s: %d records, %d under pseudonyms", k, n, b[k])
			}
		}
	}
	decided := 0
	for k := range was.Checks {
		a, b := was.Checks[k], is.Checks[k]
		if a.State != b.State || a.Counts != b.Counts {
			t.Errorf("%s: %s %+v, under pseudonyms %s %+v", a.Check.ID, a.State, a.Counts, b.State, b.Counts)
		}
		if a.Counts.Pass+a.Counts.Fail > 0 {
			decided++
		}
		if a.Check.ID == "entra-terminated-disabled" && a.Counts.Fail != 1 {
			t.Errorf("one of those who left can sign in: %+v", a.Counts)
		}
	}
	a, b := change.Of(was.Inventory), change.Of(is.Inventory)
	if len(a.Deployments) == 0 || len(a.Deployments) != len(b.Deployments) {
		t.Fatalf("%d deployments, %d under pseudonyms", len(a.Deployments), len(b.Deployments))
	}
	for i := range a.Deployments {
		x, y := &a.Deployments[i], &b.Deployments[i]
		if x.ReviewedByOther != y.ReviewedByOther || x.ApprovedByOther != y.ApprovedByOther || x.DeployedByOther != y.DeployedByOther {
			t.Errorf("%s: who reviewed, approved or deployed is not the same", x.ID)
		}
	}
	t.Logf("%d checks, %d of which decide something, %d deployments", len(was.Checks), decided, len(a.Deployments))
}
