// SPDX-License-Identifier: Apache-2.0

// Package logs says what the copies of a log cover: the service's own, which
// ends after days or months, those in workspaces and those in archives. It
// states on which days each copy has records, on which it has none although
// another has, and how many records one has that another lacks. A day on which
// no copy has a record may have been quiet or lost; which, the records cannot
// tell, and nothing here says.
package logs
