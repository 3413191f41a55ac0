// SPDX-License-Identifier: Apache-2.0

// Package jsontape reads one strict JSON value into an immutable tape: a flat
// slice of 64-bit words that point into the source bytes. Reading a field, an
// element or a string allocates nothing, and every value knows its position.
//
// The reader is stricter than RFC 8259 where leniency has let evidence lie: a
// duplicate member, a member that differs from another only in case, invalid
// UTF-8, a lone surrogate, a byte order mark, trailing bytes and excessive
// depth are errors with a position.
//
// A value can be absent, present or unobserved. Unobserved values carry a
// reason. They come from three places: a string that starts with Marker (a
// secret replaced before it was kept, or a value known only after deployment),
// a call to MarkUnobserved, and a member that is missing from an object marked
// open by MarkOpen (only some of its members were read).
package jsontape
