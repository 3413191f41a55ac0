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
	at                  time.Time
	serial              int
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
