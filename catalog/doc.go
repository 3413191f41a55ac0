// SPDX-License-Identifier: Apache-2.0

// Package catalog holds the reference data that tickmark ships: the 61
// criteria, the checks and the field aliases they use. Everything is data
// (YAML and compact tables, embedded); loading it verifies cross-references,
// and Digest names the exact content that a snapshot pins.
package catalog
