// SPDX-License-Identifier: Apache-2.0

// Package report renders an assessment for people and for programs: a summary
// for the terminal, JSON, CSV, SARIF 2.1.0 and one self-contained HTML page.
//
// The same assessment gives the same bytes: instants come from the assessment,
// never from a clock, and nothing is ordered by a map. Results are written as
// they are produced, so that a million of them are never held as text.
//
// Reports state counts of each kind apart. No percentage mixes them, no score
// sums them up, and no word says more than was observed. Text that comes from
// the assessed organisation is foreign: each renderer neutralises what could
// act on its reader's screen (control characters, direction overrides, markup,
// spreadsheet formulas) and shows it instead.
package report
