// SPDX-License-Identifier: Apache-2.0

// Package inventory turns the items of a snapshot into resources: each item is
// parsed strictly, identified (id, type, scope), and set against the others.
//
// What an export does not say is kept apart from what it says is absent. An
// object that came without its properties is a summary; a resource that was
// read twice with different content is conflicting; a subscription or resource
// group that only ids name is implied. Their values are unobserved, with that
// reason, so that no rule can take them for absent.
//
// The result does not depend on the number of processors, nor on the order of
// the inputs: resources lie in the order of their type and id.
package inventory
