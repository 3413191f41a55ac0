// SPDX-License-Identifier: Apache-2.0

// Package azuresim is a believable Azure on loopback: an organisation described
// in YAML, served over TLS with paging, quotas, permissions and, if wanted,
// faults, on a clock of its own and the same from the same seed. Collectors
// cannot tell it from the real one except by its endpoints.
package azuresim
