// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect/file"
)

// OpenBeside reads what no API gives, to stand beside what a tenant answered:
// tables with a mapping, and the exports of the PowerShell modules. Nothing else
// goes along: an older export of what the tenant itself says would be a second
// answer to the same question. A table that has a problem is refused whole,
// before the tenant is read; it can be corrected at once.
func OpenBeside(ctx context.Context, paths []string, now time.Time) (*file.Files, error) {
	files, err := file.Open(ctx, paths, file.Options{ObservedAt: now})
	if err != nil {
		return nil, err
	}
	refuse := func(where, what, hint string) (*file.Files, error) {
		_ = files.Close() // nothing of it is used
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: where, What: what, Hint: hint}
	}
	if p := files.Snapshot.Problems; len(p) > 0 {
		where, more := p[0].Input, ""
		if p[0].Line > 0 {
			where = fmt.Sprintf("%s:%d", where, p[0].Line)
		}
		if len(p) > 1 {
			more = fmt.Sprintf("; and %d more problems", len(p)-1)
		}
		return refuse(where, p[0].What+more, strings.TrimSpace(p[0].Hint))
	}
	for i := range files.Snapshot.Segments {
		for _, p := range files.Snapshot.Segments[i].Pages {
			if !slices.Contains([]string{"table", "mapping", "records", "m365"}, p.Form) {
				return refuse(p.Name, "only what no API gives can stand beside what a tenant answered, and this is neither a table with a mapping nor of export-script --source m365",
					"put a mapping beside a table (doc/spec/input.md), or leave the file out")
			}
		}
	}
	return files, nil
}
