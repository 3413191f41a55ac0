// SPDX-License-Identifier: Apache-2.0

package catalog

import "testing"

func TestDefault(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Checks) == 0 {
		t.Fatal("none")
	}
	t.Log(string(c.Checks[0].Rule), c.Digest())
	b, err := OpenArchive(c.Archive())
	if err != nil || b.Digest() != c.Digest() {
		t.Fatal(err)
	}
}
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(embedded); err != nil {
			b.Fatal(err)
		}
	}
}
