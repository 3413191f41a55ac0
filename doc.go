// SPDX-License-Identifier: Apache-2.0

// Package tickmark holds the nouns that two or more stages of the pipeline
// exchange: what was read (Snapshot, Segment, Page, Item, Coverage), what was
// found in it (Verdict, Reason, Why, Result) and how that is said to people
// (Error, Problem). It imports nothing of ours; every other package points
// here. The words are defined in doc/terms.md, the pipeline in ARCHITECTURE.md.
package tickmark
