// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Official is the publisher's text of the criteria as a licensed organisation
// brought it. It stays in that organisation's data: nothing prints it unless
// asked for by name.
type Official struct {
	Licence string                 `json:"licence"`
	File    string                 `json:"file"`
	Digest  tickmark.Digest        `json:"digest"` // of the file
	Texts   []catalog.OfficialText `json:"texts"`

	Version int64     `json:"-"`
	At      time.Time `json:"-"`
	Actor   string    `json:"-"`
}

// The one document of official texts.
const (
	kindOfficial = "officialText"
	officialID   = "criteria"
)

// Text returns the text of a criterion, or "".
func (o *Official) Text(code string) string {
	if o == nil {
		return ""
	}
	for _, t := range o.Texts {
		if t.Code == code {
			return t.Text
		}
	}
	return ""
}

// ImportOfficial records texts as the next version; the version before stays
// in the ledger.
func ImportOfficial(ctx context.Context, st Shelf, o Official, actor string, now time.Time) (*Official, error) {
	if strings.TrimSpace(o.Licence) == "" {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the text belongs to its publisher, and no licence is named", Hint: "give --licence with the licence under which you hold it"}
	}
	before, err := OfficialTexts(ctx, st)
	if err != nil {
		return nil, err
	}
	body, err := ledger.Encode(o)
	if err != nil {
		return nil, fmt.Errorf("encode the official text: %w", err)
	}
	version := int64(1)
	if before != nil {
		version = before.Version + 1
	}
	docs, err := st.PutAll(ctx, []history.Document{{Kind: kindOfficial, ID: officialID, Version: version, Schema: 1, EffectiveFrom: now, Actor: actor, Body: body}}, now)
	if err != nil {
		return nil, err
	}
	o.Version, o.At, o.Actor = docs[0].Version, docs[0].RecordedAt, docs[0].Actor
	return &o, nil
}

// OfficialTexts returns the latest official texts, or nil if none were imported.
func OfficialTexts(ctx context.Context, st Shelf) (*Official, error) {
	docs, err := st.Documents(ctx, kindOfficial)
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	d := docs[len(docs)-1]
	o := &Official{Version: d.Version, At: d.RecordedAt, Actor: d.Actor}
	if err := json.Unmarshal(d.Body, o); err != nil {
		return nil, fmt.Errorf("read the official text, version %d: %w", d.Version, err)
	}
	return o, nil
}
