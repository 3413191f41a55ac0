// SPDX-License-Identifier: Apache-2.0

// Package check runs the catalogue's checks over an inventory and rolls the
// results up to criteria. One table maps the states of Azure Policy to
// verdicts (see verdict.go); nothing that was not observed becomes a pass.
package check
