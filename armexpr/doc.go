// SPDX-License-Identifier: Apache-2.0

// Package armexpr parses and evaluates the expression language of Azure
// Resource Manager templates and Azure Policy: "[concat('a', parameters('b'))]".
//
// A text that starts with '[' and ends with ']' is an expression; one that
// starts with "[[" is the literal text without the first bracket; anything
// else is a literal. Parse yields a tree with positions, Compile resolves the
// functions against a Set, checks their argument counts and folds constants,
// Eval runs the program against a Host, which supplies parameters, fields and
// the clock.
//
// Evaluation has three values. A function of an unobserved argument is
// unobserved, with the argument's reason, unless it does not need it: if, and,
// or, coalesce. A failure (a wrong type, an index out of range) is an *Error,
// never a default.
//
// Sources: Microsoft's template function reference and the function table of
// the Azure Policy team's linter (Azure/azure-policy-linter, MIT), in that
// order; doc/design/0003-policy-semantics.md lists where they differ.
package armexpr
