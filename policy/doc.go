// SPDX-License-Identifier: Apache-2.0

// Package policy parses, compiles and evaluates Azure Policy offline.
//
// A definition is parsed once (ParseDefinition), bound to parameter values
// (Bind), and specialised for each resource type that it meets (Policy.For):
// type conditions are folded away and aliases become paths into the raw ARM
// JSON. An Evaluator then computes the compliance state of resources.
//
// Evaluation has three values. A value that was not observed makes a condition
// undecided unless the rest decides; an undecided policy is Unknown with the
// reason of the first undecided leaf. Absence of a related resource may be
// concluded only where the Inventory says that its type was read completely.
//
// The files follow the way of a rule: definition, condition and operator are
// what is written; alias, compile, details and program what it means for given
// parameters and a type; read and eval judge a resource; trace and explain say
// why. initiative, import, assignment, assigned, scope and state are about sets
// of policies and where they hold. lint and vector stand beside.
//
// The package knows nothing of SOC 2. Semantics follow Microsoft's
// documentation, then the policy team's linter, then others;
// doc/design/0003-policy-semantics.md lists the corners.
package policy
