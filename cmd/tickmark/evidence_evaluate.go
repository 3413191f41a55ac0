// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"iter"
	"runtime/debug"

	"github.com/tickmark/tickmark"
)

// toolName is the program and its version, for the first leaf.
func toolName() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return "tickmark " + b.Main.Version
	}
	return "tickmark"
}

// evaluateStored evaluates a recorded snapshot with what was pinned for it.
// The assessment sets it; without it nothing can be re-performed.
var evaluateStored = func(context.Context, *tickmark.Snapshot, map[string][]byte) (iter.Seq[tickmark.Result], string, error) {
	return nil, "", &tickmark.Error{Code: tickmark.CodeUsage, What: "this build cannot evaluate", Hint: "use a build that has: tickmark assess"}
}
