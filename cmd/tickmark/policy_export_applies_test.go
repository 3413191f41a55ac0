// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"testing"

	"github.com/tickmark/tickmark/catalog"
)

// TestExportKeepsApplies requires that what a check is about is part of the
// exported policy, and that what a policy cannot say is not exported.
func TestExportKeepsApplies(t *testing.T) {
	b, err := withApplies([]byte(`{"if":{"field":"type","equals":"a"},"then":{"effect":"audit"}}`), []byte(`{"field":"kind","equals":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"if":{"allOf":[{"field":"kind","equals":"b"},{"field":"type","equals":"a"}]},"then":{"effect":"audit"}}`
	if string(b) != want || !json.Valid(b) {
		t.Errorf("got %s", b)
	}
	for _, ch := range []*catalog.Check{{Joins: []catalog.Join{{}}}, {Alternatives: [][]byte{[]byte("{}")}}} {
		if unfit(ch) == "" {
			t.Errorf("%+v would be exported", ch)
		}
	}
}
