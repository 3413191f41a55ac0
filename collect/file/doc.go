// SPDX-License-Identifier: Apache-2.0

// Package file reads exported files into a snapshot. A file is recognised by
// what it holds, never by its name: Resource Graph answers, ARM lists, bare
// arrays, single objects, JSON lines, Microsoft Graph collections; plain,
// gzipped or inside a zip archive; from a file, a folder or standard input.
//
// The envelope of an answer is read strictly. The elements of its big array
// are only delimited here, by a structural skip that knows strings and
// brackets; package inventory parses each of them strictly afterwards. Every
// byte of a file is therefore checked by one of the two, and a file of 200 MB
// is opened in the time it takes to read it once.
//
// Nothing here concludes that something is absent: a file carries no coverage
// of its own. A link or token left in it makes it incomplete; an operator may
// claim that types were exported completely (Options.CompleteTypes).
package file
