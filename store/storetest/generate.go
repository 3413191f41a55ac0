// SPDX-License-Identifier: Apache-2.0

// Package storetest is the suite that both databases must pass, and what it
// needs: generated snapshots, and a hand that tampers with a data directory.
package storetest

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/tickmark/tickmark"
)

// World is a generated tenant whose resources change from snapshot to snapshot.
type World struct {
	rng       *rand.Rand
	resources []resource
	// Checks is how many checks judge each resource.
	Checks int
	// PerPage is how many resources a page holds; PerSegment how many pages a
	// segment holds.
	PerPage, PerSegment int
	// Collected gives the snapshots the shape of a collection from a tenant:
	// pages that answer requests, an account of the questions, and Small more
	// pages of one item each.
	Collected bool
	Small     int
	at        time.Time
	serial    int
}

type resource struct {
	id, typ string
	body    []byte
	verdict uint64 // two bits for each check
}

// NewWorld makes n resources of about 2 KB each. Equal seeds give equal worlds.
func NewWorld(seed uint64, n int) *World {
	w := &World{
		rng: rand.New(rand.NewPCG(seed, 7)), Checks: 4, PerPage: 1000, PerSegment: 10, //nolint:gosec // test data
		at: time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC),
	}
	for range n {
		w.Add()
	}
	return w
}

var types = []string{
	"Microsoft.Storage/storageAccounts", "Microsoft.Network/networkSecurityGroups", "Microsoft.KeyVault/vaults",
	"Microsoft.Compute/virtualMachines", "Microsoft.Sql/servers/databases", "Microsoft.Web/sites",
}

func (w *World) guid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", w.rng.Uint32(), w.rng.Uint32()&0xffff, w.rng.Uint32()&0xfff, w.rng.Uint32()&0xfff, w.rng.Uint64()&0xffffffffffff)
}

// Add adds one resource.
func (w *World) Add() {
	w.serial++
	typ := types[w.rng.IntN(len(types))]
	sub := fmt.Sprintf("%08d-0000-4000-a000-%012d", w.serial%7, w.serial%7)
	r := resource{typ: typ, id: fmt.Sprintf("/subscriptions/%s/resourceGroups/rg-%s-%03d/providers/%s/res%07d", sub, []string{"prod", "test", "data"}[w.rng.IntN(3)], w.rng.IntN(200), typ, w.serial)}
	r.verdict = w.rng.Uint64()
	w.resources = append(w.resources, r)
	w.write(len(w.resources) - 1)
}

// write gives resource i new bytes.
func (w *World) write(i int) {
	r := &w.resources[i]
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"id":%q,"name":"res%d","type":%q,"location":%q,"tags":{"owner":"team-%d","costCentre":"%d","env":%q},"etag":"W/\"%016x\"",`,
		r.id, i, r.typ, []string{"westeurope", "northeurope", "eastus2"}[w.rng.IntN(3)], w.rng.IntN(40), 1000+w.rng.IntN(300), []string{"prod", "test"}[w.rng.IntN(2)], w.rng.Uint64())
	fmt.Fprintf(&b, `"systemData":{"createdBy":"user%d@example.com","createdByType":"User","createdAt":"2025-%02d-%02dT%02d:%02d:%02d.%07dZ","lastModifiedAt":"2026-%02d-%02dT10:11:12.%07dZ"},"properties":{"provisioningState":"Succeeded","uniqueId":%q,"minimumTlsVersion":%q,"allowBlobPublicAccess":%t,"supportsHttpsTrafficOnly":%t,"networkAcls":{"bypass":"AzureServices","defaultAction":%q,"ipRules":[`,
		w.rng.IntN(200), 1+w.rng.IntN(12), 1+w.rng.IntN(28), w.rng.IntN(24), w.rng.IntN(60), w.rng.IntN(60), w.rng.IntN(10000000), 1+w.rng.IntN(2), 1+w.rng.IntN(28), w.rng.IntN(10000000),
		w.guid(), []string{"TLS1_0", "TLS1_2"}[w.rng.IntN(2)], w.rng.IntN(2) == 0, w.rng.IntN(2) == 0, []string{"Allow", "Deny"}[w.rng.IntN(2)])
	for k := range 6 {
		if k > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":"%d.%d.%d.%d","action":"Allow"}`, w.rng.IntN(224), w.rng.IntN(256), w.rng.IntN(256), w.rng.IntN(256))
	}
	b.WriteString(`]},"privateEndpointConnections":[`)
	for k := range 3 {
		if k > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%s/privateEndpointConnections/pe-%s","properties":{"provisioningState":"Succeeded","privateLinkServiceConnectionState":{"status":"Approved","description":"Auto-Approved","actionRequired":"None"}}}`, r.id, w.guid())
	}
	fmt.Fprintf(&b, `],"encryption":{"keySource":"Microsoft.Storage","services":{"file":{"keyType":"Account","enabled":true},"blob":{"keyType":"Account","enabled":true}}},"accessTier":"Hot"}}`)
	r.body = b.Bytes()
}

// Change gives n resources new bytes, and about half of those new verdicts,
// and moves the time on by a day.
func (w *World) Change(n int) {
	for range n {
		i := w.rng.IntN(len(w.resources))
		w.write(i)
		if w.rng.IntN(2) == 0 {
			w.resources[i].verdict = w.rng.Uint64()
		}
	}
	w.at = w.at.AddDate(0, 0, 1)
}

// Remove removes n resources.
func (w *World) Remove(n int) {
	for range n {
		i := w.rng.IntN(len(w.resources))
		w.resources = append(w.resources[:i], w.resources[i+1:]...)
	}
}

// Len is the number of resources.
func (w *World) Len() int { return len(w.resources) }

// At is the instant of the next snapshot.
func (w *World) At() time.Time { return w.at }

// Snapshot returns the world as exported files.
func (w *World) Snapshot() *tickmark.Snapshot {
	if w.Collected {
		return w.collected()
	}
	s := &tickmark.Snapshot{Origin: "files", ObservedAt: w.at}
	for at := 0; at < len(w.resources); {
		seg := tickmark.Segment{Source: "file", Scope: fmt.Sprintf("export-%d.json", len(s.Segments)), Coverage: tickmark.Coverage{Source: "file", Declared: -1}}
		for range w.PerSegment {
			if at == len(w.resources) {
				break
			}
			end := min(at+w.PerPage, len(w.resources))
			seg.Pages = append(seg.Pages, w.page(len(seg.Pages), at, end))
			at = end
		}
		seg.Coverage.Scope, seg.Coverage.Pages = seg.Scope, len(seg.Pages)
		s.Segments = append(s.Segments, seg)
	}
	return s
}

func (w *World) page(n, from, to int) tickmark.Page {
	var b bytes.Buffer
	p := tickmark.Page{Name: fmt.Sprintf("page %d", n), Form: "armList"}
	b.WriteString(`{"value":[`)
	for i := from; i < to; i++ {
		if i > from {
			b.WriteString(",\n")
		}
		p.Items = append(p.Items, tickmark.Item{Off: b.Len(), Len: len(w.resources[i].body)})
		b.Write(w.resources[i].body)
	}
	fmt.Fprintf(&b, `],"requestId":"%016x"}`+"\n", w.rng.Uint64())
	p.Bytes = b.Bytes()
	p.Digest = tickmark.DigestOf(p.Bytes)
	return p
}

// collected returns the world as it is collected from a tenant.
func (w *World) collected() *tickmark.Snapshot {
	w.Collected = false
	s := w.Snapshot()
	w.Collected = true
	s.Origin = "live"
	for i := range s.Segments {
		seg := &s.Segments[i]
		seg.Source, seg.Scope = "arm", fmt.Sprintf("/subscriptions/%08d", i)
		seg.Coverage.Source, seg.Coverage.Scope, seg.Coverage.Pages = seg.Source, seg.Scope, len(seg.Pages)
		rows := 0
		for k := range seg.Pages {
			p := &seg.Pages[k]
			rows += len(p.Items)
			p.Name, p.Ask = "POST resources "+p.Name, "resources"
			p.Request = w.request("POST", "https://management.example/providers/Microsoft.ResourceGraph/resources", p.Digest)
			p.Request.Body, p.Request.APIVersion = fmt.Sprintf(`{"query":"resources","options":{"$skip":%d}}`, k), "2024-04-01"
			p.ObservedAt = w.at.Add(time.Duration(k) * 700 * time.Millisecond)
		}
		seg.Coverage.Asks = []tickmark.AskCoverage{{
			Name: "resources", Types: types, Subjects: 1, Answered: 1, Requests: len(seg.Pages), Pages: len(seg.Pages), Rows: rows, Unique: rows, Declared: rows, Skew: time.Second,
		}}
		if i == 0 {
			w.small(seg)
		}
	}
	return s
}

// small adds pages of one item each; about one in ten is empty, and one in
// twenty refused.
func (w *World) small(seg *tickmark.Segment) {
	a := tickmark.AskCoverage{Name: "settings", Types: []string{"Microsoft.Insights/diagnosticSettings"}, Direct: true, Subjects: w.Small, Declared: -1}
	for i := range min(w.Small, len(w.resources)) {
		r := &w.resources[i]
		if i%20 == 7 {
			a.Refusals = append(a.Refusals, tickmark.Refusal{Scope: r.id, Status: 403, Code: "AuthorizationFailed", Reason: tickmark.ReasonNotPermitted})
			continue
		}
		a.Answered++
		p := tickmark.Page{Name: "GET " + r.id + "/providers/Microsoft.Insights/diagnosticSettings", Form: "armList", Ask: a.Name, Subject: r.id, Items: []tickmark.Item{}, ObservedAt: w.at.Add(time.Duration(i/25) * time.Second)}
		p.Bytes = []byte(`{"value":[]}`)
		if i%10 != 0 {
			item := fmt.Sprintf(`{"id":"%s/providers/microsoft.insights/diagnosticSettings/audit","type":"Microsoft.Insights/diagnosticSettings","name":"audit","location":null,"kind":null,"tags":null,"properties":{"storageAccountId":null,"serviceBusRuleId":null,"workspaceId":"/subscriptions/1/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/w%d","eventHubAuthorizationRuleId":null,"eventHubName":null,"metrics":[],"logs":[{"category":null,"categoryGroup":"audit","enabled":%t,"retentionPolicy":{"enabled":false,"days":0}}],"logAnalyticsDestinationType":null},"identity":null}`, r.id, r.verdict%7, r.verdict%2 == 0)
			p.Bytes = fmt.Appendf(nil, `{"value":[%s]}`, item)
			p.Items = []tickmark.Item{{Off: len(`{"value":[`), Len: len(item)}}
		}
		p.Digest = tickmark.DigestOf(p.Bytes)
		p.Request = w.request("GET", "https://management.example"+p.Name[4:]+"?api-version=2021-05-01-preview", p.Digest)
		if i%15 == 3 { // something was redacted
			p.Request.Received = tickmark.DigestOf([]byte(p.Name))
		}
		p.Request.Direct = true
		if i%30 == 4 {
			p.Identity, p.ObservedAt, p.Request.ID = "name", time.Time{}, ""
		}
		a.Pages, a.Rows, a.Requests = a.Pages+1, a.Rows+len(p.Items), a.Requests+1
		seg.Pages = append(seg.Pages, p)
	}
	a.Unique = a.Rows
	a.Span = &tickmark.Span{From: w.at.AddDate(0, -6, 0), To: w.at, Kept: w.at.AddDate(0, -3, 0), Gaps: []tickmark.Gap{{From: w.at.AddDate(0, -6, 0), To: w.at.AddDate(0, -3, 0), Reason: tickmark.ReasonNotCollected}}}
	a.Excluded = []tickmark.Refusal{{Scope: "/subscriptions/left-out", Reason: tickmark.ReasonExcluded, Detail: "sandbox"}}
	seg.Coverage.Asks = append(seg.Coverage.Asks, a)
}

func (w *World) request(method, url string, received tickmark.Digest) *tickmark.Request {
	return &tickmark.Request{Method: method, URL: url, Status: 200, ID: w.guid(), Received: received}
}

// Results returns the verdicts on the world, by check, then resource.
func (w *World) Results() iter.Seq[tickmark.Result] {
	reasons := []tickmark.Reason{tickmark.ReasonSummary, tickmark.ReasonNotCollected, tickmark.ReasonRedacted}
	return func(yield func(tickmark.Result) bool) {
		for c := range w.Checks {
			name := fmt.Sprintf("TM-CHECK-%03d", c)
			for i := range w.resources {
				r := &w.resources[i]
				res := tickmark.Result{Check: name, Resource: r.id, Type: r.typ}
				switch v := r.verdict >> (2 * (c % 32)) & 3; v {
				case 0:
					res.Verdict, res.Reason = tickmark.Unknown, reasons[i%len(reasons)]
				default:
					res.Verdict = tickmark.Verdict(v)
				}
				if !yield(res) {
					return
				}
			}
		}
	}
}
