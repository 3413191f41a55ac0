// SPDX-License-Identifier: Apache-2.0

package power_test

import (
	"flag"
	"testing"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/power"
)

var update = flag.Bool("update", false, "write the tables of doc/spec/collect-power.md anew")

const specFile = "../../doc/spec/collect-power.md"

// usual tells the requests whose host the page need not name.
var usual = func(collect.Ask) bool { return false }

// TestSpec holds the page to the data.
func TestSpec(t *testing.T) {
	collecttest.Spec(t, specFile, *update, usual, "", power.Source())
}

// TestRecordNames finds records that the page names and no ask reads.
func TestRecordNames(t *testing.T) {
	collecttest.RecordNames(t, specFile, 20, power.Source())
}
