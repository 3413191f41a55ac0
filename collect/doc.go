// SPDX-License-Identifier: Apache-2.0

// Package collect puts the questions of sources and holds the answers to a
// contract. A source (packages arm, graph, devops, power) is a table of Ask;
// Run does the asking, alike for all: it finds the subjects of an ask in the
// pages of others, expands templates, signs in, keeps to quotas, follows pages,
// spools what it reads and goes on after it was killed.
//
// The rule above all: a fault may cost coverage, never truth. An ask is
// answered only if nothing that the source said contradicts it: status, error
// in the body, totals, counts, truncation, links that lead in a circle, rows
// that come twice, another list of the same type, proof that the identity sees.
// All else is not collected, with its reason. testdata/guards.yaml lists each
// guard with the test that fails without it.
//
// A Tally keeps what the pages of one list say about it; package file uses it
// for exported files, of which it can never say that nothing is missing.
package collect
