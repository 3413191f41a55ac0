// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

const blobPage = "\ufeff" + `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://st.blob.example/" ContainerName="insights-activity-logs">` +
	`<Prefix>resourceId=/S/1/y=2026/m=05/</Prefix><MaxResults>5000</MaxResults><Blobs>` +
	`<Blob><Name>resourceId=/S/1/y=2026/m=05/d=31/h=23/m=00/PT1H.json</Name><Properties><Last-Modified>Mon, 01 Jun 2026 00:09:00 GMT</Last-Modified><Content-Length>812</Content-Length><BlobType>AppendBlob</BlobType></Properties></Blob>` +
	`<Blob><Name Encoded="true">x%EF%BF%BEy &amp; &lt;z&gt;</Name><Properties><Content-Length /></Properties></Blob>` +
	`<BlobPrefix><Name>a/y=</Name></BlobPrefix></Blobs><NextMarker>2!92!MDAw/Mg--</NextMarker></EnumerationResults>`

func TestBlobList(t *testing.T) {
	got, err := blobList([]byte(blobPage))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"value":[{"element":"Blob","name":"resourceId=/S/1/y=2026/m=05/d=31/h=23/m=00/PT1H.json","properties":{"Last-Modified":"Mon, 01 Jun 2026 00:09:00 GMT","Content-Length":812,"BlobType":"AppendBlob"},"time":"2026-05-31T23:00:00Z"},` +
		`{"element":"Blob","name":"x` + "\ufffe" + `y & <z>","properties":{"Content-Length":""}},{"element":"BlobPrefix","name":"a/y="}],"continuationToken":"2!92!MDAw/Mg--"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBlobListRefuses: what is not wholly a list is none.
func TestBlobListRefuses(t *testing.T) {
	const open = `<EnumerationResults><Blobs>`
	for _, c := range []struct{ src, says string }{
		{``, "EOF"},
		{`{"value":[]}`, "text between"},
		{`<html><body>Sign in</body></html>`, "EnumerationResults"},
		{`<Error><Code>AuthorizationFailure</Code></Error>`, "EnumerationResults"},
		{`<!DOCTYPE x [<!ENTITY a "b">]>` + open + `</Blobs><NextMarker/></EnumerationResults>`, "directive"},
		{open + `<Blob><Name>&a;</Name></Blob></Blobs><NextMarker/></EnumerationResults>`, "entity"},
		{open + `</Blobs></EnumerationResults>`, "no NextMarker"},
		{`<EnumerationResults><NextMarker/></EnumerationResults>`, "neither"},
		{open + `</Blobs><Containers/><NextMarker/></EnumerationResults>`, "neither"},
		{open + `</Blobs><Blobs/><NextMarker/></EnumerationResults>`, "two elements Blobs"},
		{open + `</Blobs><NextMarker>a</NextMarker><NextMarker/></EnumerationResults>`, "two elements NextMarker"},
		{open + `</Blobs><NextMarker/></EnumerationResults><x/>`, "follows"},
		{open + `</Blobs><NextMarker/></EnumerationResults>]`, "follows"},
		{open + `<Blob><Properties/></Blob></Blobs><NextMarker/></EnumerationResults>`, "no Name"},
		{open + `<Blob><Name>a</Name><Name>b</Name></Blob></Blobs><NextMarker/></EnumerationResults>`, "two elements Name"},
		{open + `<Blob><Name><b>a</b></Name></Blob></Blobs><NextMarker/></EnumerationResults>`, "holds an element"},
		{open + `<Blob><Name Encoded="true">%zz</Name></Blob></Blobs><NextMarker/></EnumerationResults>`, "not encoded"},
		{open + `<Other><Name>a</Name></Other></Blobs><NextMarker/></EnumerationResults>`, "element Other"},
		{open + `stray</Blobs><NextMarker/></EnumerationResults>`, "text between"},
		{"<EnumerationResults><Blobs><Blob><Name>\xff</Name></Blob></Blobs><NextMarker/></EnumerationResults>", "UTF-8"},
	} {
		if got, err := blobList([]byte(c.src)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %s, %v; want an error with %q", c.src, got, err, c.says)
		}
	}
	for n := range len(blobPage) {
		if got, err := blobList([]byte(blobPage[:n])); err == nil {
			t.Fatalf("cut at byte %d of %d it is %s", n, len(blobPage), got)
		}
	}
}

func FuzzBlobList(f *testing.F) {
	f.Add([]byte(blobPage))
	f.Add([]byte(`<EnumerationResults><Containers><Container><Name>a</Name></Container></Containers><NextMarker/></EnumerationResults>`))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := blobList(src)
		if err != nil {
			return
		}
		tune := defaults()
		r := reader{tune: &tune}
		a := Ask{Form: formARMList, Paging: PageMarker, Wire: WireBlobList, Identity: "name"}
		rows := 0
		if _, err := r.page(got, &a, func(tickmark.Item, jsontape.Value) error { rows++; return nil }); err != nil && !strings.Contains(err.Error(), "bytes") {
			t.Fatalf("%q became %s, which cannot be read: %v", src, got, err)
		}
	})
}

// blobFaults are faults of lists of Storage: what any list can suffer, in XML.
func blobFaults() []faultCase {
	names := func(n ...int) string {
		var b strings.Builder
		for _, i := range n {
			fmt.Fprintf(&b, "<Blob><Name>b%d</Name></Blob>", i)
		}
		return b.String()
	}
	page := func(marker string, n ...int) string {
		return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>` + names(n...) + `</Blobs><NextMarker>` + marker + `</NextMarker></EnumerationResults>`
	}
	xml := func(body string) http.HandlerFunc { return answerWith(200, "application/xml", body) }
	ask := func(a *Ask) {
		a.Form, a.Paging, a.Wire, a.List, a.Identity, a.Entity = formARMList, PageMarker, WireBlobList, "", "name", "Test/things"
	}
	byMarker := func(pages map[string]string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { xml(pages[r.URL.Query().Get("marker")])(w, r) }
	}
	return []faultCase{
		{name: "blobs", want: "complete 1/1 3", ask: ask, answer: byMarker(map[string]string{"": page("m/1", 1, 2), "m/1": page("", 3)}), also: requests(2)},
		{name: "blobs none", want: "complete 1/1 0", ask: ask, answer: xml(page(""))},
		{name: "C9 blobs itself", guards: []guard{"loop"}, want: "truncated 0/1", says: "circle", ask: ask, answer: byMarker(map[string]string{"": page("m", 1), "m": page("m", 2)})},
		{name: "C10 blobs twice", guards: []guard{"unique"}, want: "truncated 0/1", says: "different", ask: ask, answer: byMarker(map[string]string{"": page("m", 1, 2), "m": page("", 2, 3)})},
		{name: "C7 blobs cut", want: "unparsable 0/1", says: "XML", ask: ask, answer: xml(page("", 1)[:100])},
		{name: "C6 blobs page", want: "unparsable 0/1", says: "EnumerationResults", ask: ask, answer: xml("<html/>")},
		{name: "C12 blobs without marker", want: "unparsable 0/1", says: "NextMarker", ask: ask, answer: xml(`<EnumerationResults><Blobs>` + names(1) + `</Blobs></EnumerationResults>`)},
		{name: "C15 blobs refused", want: "notPermitted 0/1", says: "403", ask: ask, answer: answerWith(403, "application/xml", "\ufeff<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code><Message>no</Message></Error>")},
	}
}

// TestMonths: lists that are named by month are asked for by whole months.
func TestMonths(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct{ from, to, want string }{
		{"2026-01-31", "2026-02-01", "2026/m=01/"},
		{"2026-01-31", "2026-02-02", "2026/m=01/ 2026/m=02/"},
		{"2025-11-30", "2026-02-28", "2025/m=11/ 2025/m=12/ 2026/m=01/ 2026/m=02/"},
		{"2024-02-29", "2024-02-29", "2024/m=02/"},
	} {
		var got []string
		for _, s := range months(day(c.from), day(c.to)) {
			got = append(got, s.from.Format("2006/m=01/"))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s to %s: %v, want %s", c.from, c.to, got, c.want)
		}
	}
}

// TestBlobSize: a blob that ends at the end of a line reads as whole; the list
// knows better.
func TestBlobSize(t *testing.T) {
	const lines = "{\"n\":1}\r\n{\"n\":2}\r\n"
	for _, c := range []struct{ body, want string }{
		{lines, "complete"},
		{lines + "{\"n\":3}\r\n", "complete"}, // it grew since it was listed
		{lines[:9], "unparsable"},
		{"", "unparsable"},
	} {
		s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/b1") {
				answerWith(200, "application/octet-stream", c.body)(w, r)
				return
			}
			answerWith(200, "application/xml", fmt.Sprintf(`<EnumerationResults><Blobs><Blob><Name>b1</Name><Properties><Content-Length>%d</Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>`, len(lines)))(w, r)
		})
		boxes := with(askThings(), func(a *Ask) {
			a.Name, a.Form, a.Paging, a.Wire, a.List, a.Identity, a.Entity, a.Types = "boxes", formARMList, PageMarker, WireBlobList, "", "name", "Test/boxes", []string{"Test/boxes"}
		})
		things := with(askThings(), func(a *Ask) {
			a.Of, a.Path, a.Query, a.Form, a.Paging, a.List, a.Identity, a.Entity, a.Bytes = []string{"Test/boxes"}, "/blobs/{name}", "", formJSONLines, PageOne, "", "#", "Test/things", "properties.Content-Length"
		})
		got := findAsk(t, s.run(t, armSource(boxes, things)), "arm", "", "things")
		reason := "complete"
		if len(got.Refusals) > 0 {
			reason = string(got.Refusals[0].Reason)
		}
		if reason != c.want {
			t.Errorf("%q: %s, want %s: %+v", c.body, reason, c.want, got)
		}
	}
}
