// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// What no API gives (the HR roster, training, scans, penetration tests,
// tickets) comes as an exported table with a mapping beside it: people.csv and
// people.csv.map.yaml. The pages of such a segment are the table and the mapping
// as received, and the records that follow from the two.

// mappingSuffix ends the name of a mapping, after the name of its table.
const mappingSuffix = ".map.yaml"

// The forms of the pages of a table with a mapping.
const (
	formTable   = "table"   // as received; its items are in formRecords
	formMapping = "mapping" // as received
	formRecords = "records" // one JSON object a line
)

// recordTypes are what a mapping can make records of, and the members that such
// a record has beside its id; those that are true it must have.
var recordTypes = map[string]map[string]bool{
	"hr/people": {
		"employeeId": false, "name": false, "email": true, "manager": false, "department": false, "title": false, "kind": false, "status": false,
		"startDate": true, "endDate": true,
	},
	"hr/training": {"person": true, "course": true, "assignedOn": false, "dueOn": false, "completedOn": true, "result": false},
	"security/vulnerabilities": {
		"asset": true, "title": false, "cve": false, "severity": true, "state": false, "firstSeen": true, "lastSeen": false, "fixedOn": false, "dueOn": false, "tool": false,
	},
	"security/findings": {
		"tool": false, "rule": true, "level": false, "message": false, "file": false, "line": false, "suppressed": false,
	},
	"security/penetrationTests": {
		"title": false, "tester": true, "scope": false, "startDate": false, "endDate": true, "reportDate": true, "critical": false, "high": false, "medium": false, "low": false, "open": false,
	},
	"tickets/tickets": {
		"title": false, "kind": true, "state": true, "priority": false, "requester": false, "assignee": false, "approver": false,
		"createdOn": true, "approvedOn": false, "closedOn": false, "link": false,
	},
}

// dateMembers are the members that hold a day or an instant. A date that
// cannot be read as one would be compared as text, and mean anything.
var dateMembers = map[string]bool{
	"startDate": true, "endDate": true, "assignedOn": true, "dueOn": true, "completedOn": true, "firstSeen": true, "lastSeen": true,
	"fixedOn": true, "reportDate": true, "createdOn": true, "approvedOn": true, "closedOn": true,
}

// inOrder are dates of which the second does not lie before the first.
var inOrder = [][2]string{{"startDate", "endDate"}, {"assignedOn", "completedOn"}, {"firstSeen", "lastSeen"}, {"createdOn", "closedOn"}}

// isoLayouts are the dates that need no word in the mapping.
var isoLayouts = []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime}

// tableMapping is what a person says of a table.
type tableMapping struct {
	Type string `yaml:"type"`
	// Format is csv, json, sarif or defender; told by the content if empty.
	Format    string `yaml:"format"`
	Delimiter string `yaml:"delimiter"`
	// List is the member of a JSON document that holds the rows.
	List string `yaml:"list"`
	// ID are the columns that tell the rows apart.
	ID      []string          `yaml:"id"`
	Columns map[string]string `yaml:"columns"`
	// Dates are how columns write their dates, such as DD.MM.YYYY; ISO dates
	// need none.
	Dates map[string]string `yaml:"dates"`
	// Count is how many rows there are to be, by a source other than the table;
	// CountFrom says by which.
	Count      *int   `yaml:"count"`
	CountFrom  string `yaml:"countFrom"`
	Source     string `yaml:"source"`
	Actor      string `yaml:"actor"`
	ObservedAt string `yaml:"observedAt"`
}

// tableReader makes records of a table.
type tableReader struct {
	input    string
	m        tableMapping
	out      bytes.Buffer
	items    []tickmark.Item
	rows     int
	seen     map[string]int
	problems []tickmark.Problem
	more     int
	layouts  map[string]string
}

// records reads a table by its mapping into a segment.
func records(input string, table, text []byte) (tickmark.Segment, []tickmark.Problem) {
	t := &tableReader{input: input, seen: map[string]int{}, layouts: map[string]string{}}
	seg := tickmark.Segment{Source: "file", Scope: input, Coverage: tickmark.Coverage{Source: "file", Scope: input, Declared: -1}}
	seg.Pages = []tickmark.Page{{Name: input, Form: formTable, Bytes: table}, {Name: input + mappingSuffix, Form: formMapping, Bytes: text}}
	if t.readMapping(text) {
		t.read(table)
	}
	if t.more > 0 {
		t.problems = append(t.problems, tickmark.Problem{Input: input, Byte: -1, Reason: tickmark.ReasonUnparsable, What: fmt.Sprintf("and %d more problems in this input", t.more)})
	}
	c := &seg.Coverage
	if n := t.m.Count; n != nil {
		c.Declared = *n
	}
	if t.m.Type != "" {
		seg.Pages = append(seg.Pages, tickmark.Page{Name: input + " (records)", Form: formRecords, Entity: t.m.Type, Bytes: t.out.Bytes(), Items: t.items})
	}
	c.Pages, c.Items = len(seg.Pages), len(t.items)
	switch {
	case len(t.problems) > 0:
		c.Missing, c.Detail = t.problems[0].Reason, t.problems[0].What
	case c.Declared != t.rows:
		t.problem(0, tickmark.ReasonTruncated, fmt.Sprintf("%d rows, but %s counts %d", t.rows, t.m.CountFrom, c.Declared), "export it whole, or find out who is right")
		c.Missing, c.Detail = tickmark.ReasonTruncated, t.problems[0].What
	default:
		c.Complete, c.CompleteBy = []string{t.m.Type}, "operator"
	}
	return seg, t.problems
}

func (t *tableReader) problem(line int, reason tickmark.Reason, what, hint string) {
	if len(t.problems) >= maxProblems {
		t.more++
		return
	}
	t.problems = append(t.problems, tickmark.Problem{Input: t.input, Line: line, Byte: -1, Reason: reason, What: what, Hint: hint})
}

// readMapping reads and checks the mapping.
func (t *tableReader) readMapping(text []byte) bool {
	bad := func(format string, args ...any) bool {
		t.problems = append(t.problems, tickmark.Problem{
			Input: t.input + mappingSuffix, Byte: -1, Reason: tickmark.ReasonUnparsable, What: fmt.Sprintf(format, args...),
			Hint: "doc/spec/input.md describes the mapping",
		})
		return false
	}
	err := yaml.UnmarshalWithOptions(text, &t.m, yaml.Strict())
	typ := t.m.Type
	t.m.Type = ""
	if err != nil {
		return bad("the mapping cannot be read: %v", firstLine(err))
	}
	members, ok := recordTypes[typ]
	switch {
	case !ok:
		return bad("the mapping's type %q is none of %s", typ, strings.Join(slices.Sorted(maps.Keys(recordTypes)), ", "))
	case t.m.Count == nil || *t.m.Count < 0 || strings.TrimSpace(t.m.CountFrom) == "":
		return bad("the mapping must say how many rows there are to be (count), and who counted (countFrom)")
	}
	preset(&t.m, typ)
	sarif := t.m.Format == "sarif"
	if len(t.m.ID) == 0 && !sarif {
		return bad("the mapping must name the columns that tell the rows apart (id)")
	}
	if what := t.m.misnamed(typ, members, sarif); what != "" {
		return bad("%s", what)
	}
	for m, layout := range t.m.Dates {
		t.layouts[m] = dateTokens.Replace(layout)
	}
	if _, own := t.m.Columns["employeeId"]; typ == "hr/people" && !own && len(t.m.ID) == 1 && t.m.Columns != nil {
		t.m.Columns["employeeId"] = t.m.ID[0] // what tells people apart is their number, unless another column is
	}
	t.m.Type = typ
	return true
}

// misnamed says which members of the mapping the type does not have, or which
// it needs; all of them, in order, so that one correction is enough.
func (m *tableMapping) misnamed(typ string, members map[string]bool, sarif bool) string {
	var unknown, needed, dates []string
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		if _, ok := members[name]; !ok {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] && m.Columns[name] == "" && !sarif {
			needed = append(needed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Dates)) {
		if m.Columns[name] == "" {
			dates = append(dates, name)
		}
	}
	switch {
	case len(unknown) > 0:
		return fmt.Sprintf("%s has no member %s; it has %s", typ, strings.Join(unknown, ", "), strings.Join(slices.Sorted(maps.Keys(members)), ", "))
	case len(needed) > 0:
		return fmt.Sprintf("%s needs %s: name the column of each", typ, strings.Join(needed, ", "))
	case len(dates) > 0:
		return fmt.Sprintf("dates names %s, which has no column", strings.Join(dates, ", "))
	}
	return ""
}

func firstLine(err error) string { s, _, _ := strings.Cut(err.Error(), "\n"); return s }

var dateTokens = strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05")

// preset fills in what is known of an export.
// Source of defender: Export software vulnerabilities assessment per device,
// Microsoft Defender for Endpoint API.
func preset(m *tableMapping, typ string) {
	if m.Format != "defender" || typ != "security/vulnerabilities" {
		return
	}
	if len(m.ID) == 0 {
		m.ID = []string{"deviceId", "softwareVendor", "softwareName", "softwareVersion", "cveId"}
	}
	columns := map[string]string{
		"asset": "deviceName", "cve": "cveId", "title": "softwareName", "severity": "vulnerabilitySeverityLevel", "firstSeen": "firstSeenTimestamp", "lastSeen": "lastSeenTimestamp",
	}
	maps.Copy(columns, m.Columns)
	m.Columns = columns
	if m.List == "" {
		m.List = "value"
	}
}

// read makes the records.
func (t *tableReader) read(table []byte) {
	table = bytes.TrimPrefix(table, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(table) {
		t.problem(0, tickmark.ReasonUnparsable, "the table is not UTF-8", "save it as UTF-8")
		return
	}
	format := t.m.Format
	if format == "" {
		format = "csv"
		if s := bytes.TrimSpace(table); len(s) > 0 && (s[0] == '{' || s[0] == '[') {
			format = "json"
		}
	}
	switch format {
	case "csv":
		t.csv(table)
	case "json", "defender":
		t.json(table)
	case "sarif":
		t.sarif(table)
	default:
		t.problem(0, tickmark.ReasonUnparsable, fmt.Sprintf("there is no format %q", format), "csv, json, sarif or defender")
	}
}

func (t *tableReader) csv(table []byte) {
	r := csv.NewReader(bytes.NewReader(table))
	r.Comma = delimiter(t.m.Delimiter, table)
	head, err := r.Read()
	if err != nil {
		t.problem(1, tickmark.ReasonUnparsable, "the table has no heading: "+firstLine(err), "")
		return
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.TrimSpace(name)
		if _, twice := at[name]; twice {
			t.problem(1, tickmark.ReasonUnparsable, fmt.Sprintf("two columns are named %q", name), "rename one of them")
			return
		}
		at[name] = i
	}
	var lacking []string
	for _, name := range t.wanted() {
		if _, ok := at[name]; !ok {
			lacking = append(lacking, fmt.Sprintf("%q", name))
		}
	}
	if len(lacking) > 0 {
		t.problem(1, tickmark.ReasonUnparsable, fmt.Sprintf("there is no column %s; there are %s", strings.Join(lacking, ", "), strings.Join(head, ", ")), "correct the mapping")
		return
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line := 0
			if e, ok := errors.AsType[*csv.ParseError](err); ok {
				line = e.StartLine
			}
			t.rows++
			t.problem(line, tickmark.ReasonUnparsable, "the row cannot be read: "+firstLine(err), "")
			if row == nil {
				return // the rest cannot be told apart
			}
			continue
		}
		line, _ := r.FieldPos(0)
		t.row(line, func(column string) (string, bool) { s := strings.TrimSpace(row[at[column]]); return s, s != "" })
	}
}

// delimiter is what the mapping says, or the one that the heading has most of.
func delimiter(given string, table []byte) rune {
	if r, n := utf8.DecodeRuneInString(given); n > 0 && n == len(given) {
		return r
	}
	head, _, _ := bytes.Cut(table, []byte("\n"))
	best, most := ',', bytes.Count(head, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// wanted are the columns that the mapping names.
func (t *tableReader) wanted() []string {
	all := slices.Concat(t.m.ID, slices.Collect(maps.Values(t.m.Columns)))
	slices.Sort(all)
	return slices.Compact(all)
}

func (t *tableReader) json(table []byte) {
	tape, err := jsontape.Parse(table, jsontape.Options{})
	if err != nil {
		t.problem(0, tickmark.ReasonUnparsable, "the document is not strict JSON: "+firstLine(err), "")
		return
	}
	list := tape.Root()
	if t.m.List != "" && list.Kind() == jsontape.Object {
		list = cellAt(list, t.m.List)
	}
	if list.Kind() != jsontape.Array {
		t.problem(0, tickmark.ReasonUnparsable, "the document holds no list of rows", "name the member that holds it (list)")
		return
	}
	if next := tape.Root().Get("@odata.nextLink"); next.Exists() && next.Kind() == jsontape.String {
		t.problem(0, tickmark.ReasonTruncated, "the document leads on to another page", "export all pages")
	}
	for row := range list.Elems() {
		t.row(0, func(column string) (string, bool) { return text(cellAt(row, column)) })
	}
}

// cellAt follows a dotted path.
func cellAt(v jsontape.Value, path string) jsontape.Value {
	if m := v.Get(path); m.Exists() {
		return m
	}
	for name := range strings.SplitSeq(path, ".") {
		v = v.Get(name)
	}
	return v
}

// text is a scalar as a cell would have it.
func text(v jsontape.Value) (string, bool) {
	switch v.Kind() {
	case jsontape.String:
		return v.Str(), v.Str() != ""
	case jsontape.Number, jsontape.True, jsontape.False:
		return string(v.Raw()), true
	case jsontape.Absent, jsontape.Null, jsontape.Object, jsontape.Array, jsontape.Unobserved:
	}
	return "", false
}

// row writes the record of one row.
func (t *tableReader) row(line int, cell func(column string) (string, bool)) {
	t.rows++
	var ids []string
	for _, c := range t.m.ID {
		id, ok := cell(c)
		if !ok {
			t.problem(line, tickmark.ReasonUnparsable, fmt.Sprintf("row %d has nothing in %q, which tells the rows apart", t.rows, c), "correct the table at its source")
			return
		}
		ids = append(ids, id)
	}
	record, dates := map[string]any{}, map[string]time.Time{}
	for _, m := range slices.Sorted(maps.Keys(t.m.Columns)) {
		s, ok := cell(t.m.Columns[m])
		if !ok {
			record[m] = nil // the column is there, and says nothing
			continue
		}
		if dateMembers[m] || t.layouts[m] != "" {
			d, like, ok := t.date(m, s)
			if !ok {
				t.problem(line, tickmark.ReasonUnparsable, fmt.Sprintf("row %d: %q in %q is not a date like %s", t.rows, s, t.m.Columns[m], like), "correct the table at its source, or the mapping (dates)")
				return
			}
			dates[m], s = d, d.Format(time.RFC3339)
			if strings.HasSuffix(s, "T00:00:00Z") {
				s = d.Format(time.DateOnly)
			}
		}
		record[m] = s
	}
	for _, p := range inOrder {
		first, ok := dates[p[0]]
		if second, both := dates[p[1]]; ok && both && second.Before(first) {
			t.problem(line, tickmark.ReasonUnparsable, fmt.Sprintf("row %d: %q (%s) lies before %q (%s)", t.rows, t.m.Columns[p[1]], record[p[1]], t.m.Columns[p[0]], record[p[0]]), "correct the table at its source, or the mapping (dates)")
			return
		}
	}
	t.write(line, strings.Join(ids, "+"), record)
}

// date reads a date as the mapping says that the column writes it.
func (t *tableReader) date(member, s string) (d time.Time, like string, ok bool) {
	layouts, like := isoLayouts, "YYYY-MM-DD"
	if l := t.layouts[member]; l != "" {
		layouts, like = []string{l}, t.m.Dates[member]
	}
	for _, l := range layouts {
		if d, err := time.Parse(l, s); err == nil {
			return d, like, true
		}
	}
	return d, like, false
}

// write appends a record.
func (t *tableReader) write(line int, id string, record map[string]any) {
	if before, twice := t.seen[id]; twice {
		t.problem(line, tickmark.ReasonConflicting, fmt.Sprintf("rows %d and %d have the same id %q", before, t.rows, id), "name the columns that tell the rows apart, or correct the table")
		return
	}
	t.seen[id] = t.rows
	record["id"] = id
	b, err := json.Marshal(record)
	if err != nil {
		t.problem(line, tickmark.ReasonUnparsable, firstLine(err), "")
		return
	}
	t.items = append(t.items, tickmark.Item{Off: t.out.Len(), Len: len(b)})
	t.out.Write(b)
	t.out.WriteByte('\n')
}
