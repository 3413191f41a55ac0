// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/report"
)

// TestListingText: on a narrow terminal every word is still there, the name of
// a row is never broken, and where there is no terminal a row is one line.
func TestListingText(t *testing.T) {
	l := &report.Listing{
		Columns: []string{"service", "name", "resources", "named by"}, Wide: 3,
		Rows: [][]string{
			{"application-gateway", "Azure Application Gateway for the web", "3", "open: azure-soc2, azure-soc1, of all azure"},
			{"aks", "Azure Kubernetes Service", "12", "nobody"},
		},
		Notes: []string{"A note of some length that has to be wrapped at the width of the terminal, whatever that is."},
	}
	write := func(width int) string {
		var b bytes.Buffer
		if err := report.ListingText(&b, l, report.TerminalOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, width := range []int{60, 80, 200} {
		text := write(width)
		for _, row := range append(l.Rows, l.Columns) {
			for _, cell := range row {
				for word := range strings.FieldsSeq(cell) {
					if !strings.Contains(text, word) {
						t.Errorf("at %d columns %q is gone:\n%s", width, word, text)
					}
				}
			}
		}
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > width {
				t.Errorf("at %d columns a line has %d: %q", width, len(line), line)
			}
		}
	}
	if lines := strings.Split(write(0), "\n"); len(lines) < 3 || !strings.HasSuffix(lines[1], "of all azure") {
		t.Errorf("without a terminal a row is not one line: %q", lines)
	}
}
