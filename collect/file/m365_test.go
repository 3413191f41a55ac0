// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect/file"
)

// TestM365Script holds the script to what it promises: it only gets.
func TestM365Script(t *testing.T) {
	var b strings.Builder
	if err := file.WriteM365Script(&b, "1.0"); err != nil {
		t.Fatal(err)
	}
	lists := 0
	for line := range strings.Lines(b.String()) {
		if _, call, ok := strings.Cut(line, "Export-List '"); ok {
			lists++
			if _, call, _ = strings.Cut(call, "{ "); !strings.HasPrefix(call, "Get-") || strings.Contains(call, ";") {
				t.Errorf("%s", line)
			}
		}
		for _, verb := range []string{"Set-", "Remove-", "Enable-", "Grant-"} {
			if strings.Contains(line, verb) && !strings.HasPrefix(line, "#") {
				t.Errorf("the script changes something: %s", line)
			}
		}
	}
	if lists < 25 {
		t.Errorf("%d lists", lists)
	}
}
