// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/devops"
)

var update = flag.Bool("update", false, "write the tables of doc/spec/collect-devops.md anew")

const specFile = "../../doc/spec/collect-devops.md"

// usual tells the requests whose host the page need not name.
var usual = func(a collect.Ask) bool {
	return strings.Contains(a.Path, "{") && (a.Host == collect.HostDevOps || a.Host == collect.HostGitHub)
}

// TestSpec holds the page to the data.
func TestSpec(t *testing.T) {
	collecttest.Spec(t, specFile, *update, usual, "7.1", devops.Source(), devops.GitHub())
}

// TestRecordNames finds records that the page names and no ask reads.
func TestRecordNames(t *testing.T) {
	collecttest.RecordNames(t, specFile, 20, devops.Source(), devops.GitHub())
}
