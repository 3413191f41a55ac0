// SPDX-License-Identifier: Apache-2.0

// Package collect holds what every source shares: the completeness contract.
// A source tells how many rows there are (totalRecords, @odata.count), whether
// it cut its answer (resultTruncated) and where the rest is (nextLink, a skip
// token). A Tally keeps these statements while pages are read and says at the
// end whether something is known to be missing. It can never say that nothing
// is missing: that needs a claim by the source's own contract or by an operator.
package collect
