// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

// The kinds of leaf. The bodies below are their format, in the order of the
// fields; doc/spec/ledger.md describes them.
const (
	kindInit     = "init"
	kindDocument = "document"
	kindSegment  = "segment"
	kindBlocks   = "blocks"
	kindResults  = "results"
	kindSnapshot = "snapshot"
)

type initBody struct {
	Format       int    `json:"format"`
	Organisation string `json:"organisation"`
	Sample       bool   `json:"sample"`
	Origin       string `json:"origin"`
	Key          string `json:"key"`
	Tool         string `json:"tool"`
}

type documentBody struct {
	Kind          string          `json:"kind"`
	ID            string          `json:"id"`
	Version       int64           `json:"version"`
	Schema        int64           `json:"schema"`
	EffectiveFrom string          `json:"effectiveFrom"`
	EffectiveTo   string          `json:"effectiveTo"`
	Actor         string          `json:"actor"`
	Bytes         int64           `json:"bytes"`
	Digest        tickmark.Digest `json:"digest"`
}

type segmentBody struct {
	Source   string            `json:"source"`
	Scope    string            `json:"scope"`
	Manifest tickmark.Digest   `json:"manifest"`
	Pages    int               `json:"pages"`
	Items    int               `json:"items"`
	Bytes    int64             `json:"bytes"`
	Coverage tickmark.Coverage `json:"coverage"` // without its asks
	Asks     *tickmark.Digest  `json:"asks,omitempty"`
}

type blocksBody struct {
	Batch  int64       `json:"batch"`
	Blocks []blockBody `json:"blocks"`
}

type blockBody struct {
	Block  int64           `json:"block"`
	Pack   int64           `json:"pack"`
	Offset int64           `json:"offset"`
	Length int64           `json:"length"`
	Atoms  int64           `json:"atoms"`
	Digest tickmark.Digest `json:"digest"`
}

// resultsBody commits to what changed and to the counts. Parts are blobs whose
// bytes, one after the other, have the digest Transitions.
type resultsBody struct {
	Batch       int64             `json:"batch"`
	Results     int64             `json:"results"`
	Count       int64             `json:"count"`
	Transitions tickmark.Digest   `json:"transitions"`
	Parts       []tickmark.Digest `json:"parts"`
	Counts      tickmark.Digest   `json:"counts"`
}

type snapshotBody struct {
	ID           string           `json:"id"`
	Batch        int64            `json:"batch"`
	Origin       string           `json:"origin"`
	ObservedAt   string           `json:"observedAt"`
	Late         bool             `json:"late"`
	FirstSegment int64            `json:"firstSegment"`
	Segments     int              `json:"segments"`
	Pages        int              `json:"pages"`
	Items        int              `json:"items"`
	Bytes        int64            `json:"bytes"`
	Blocks       []int64          `json:"blocks"` // leaves
	Results      int64            `json:"results"`
	Pins         []pinBody        `json:"pins"`
	Problems     *tickmark.Digest `json:"problems"`
	End          endBody          `json:"end"`
}

// endBody is the last committed block and where the next one goes. A writer
// trusts only this place when it cuts off what an unfinished recording left.
type endBody struct {
	Block  int64 `json:"block"`
	Pack   int64 `json:"pack"`
	Offset int64 `json:"offset"`
}

type pinBody struct {
	Name   string          `json:"name"`
	Digest tickmark.Digest `json:"digest"`
}

// decode reads a leaf's body; a member it does not know is an error.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// instant prints t as the ledger does; the zero time is "".
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func parseInstant(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse("2006-01-02T15:04:05.000000Z", s)
}

// micros is an instant as the tables keep it; nil for the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }

// clean makes s fit for JSON and for a text column of both databases.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func documentBodyOf(d history.Document) documentBody {
	return documentBody{
		Kind: d.Kind, ID: d.ID, Version: d.Version, Schema: d.Schema,
		EffectiveFrom: instant(d.EffectiveFrom), EffectiveTo: instant(d.EffectiveTo),
		Actor: d.Actor, Bytes: int64(len(d.Body)), Digest: tickmark.DigestOf(d.Body),
	}
}
