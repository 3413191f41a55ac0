// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"net/netip"
	"strings"
)

var policyFuncs = []*Func{
	pure("addDays", 2, 3, addDays),
	pure("ipRangeContains", 2, 2, func(a []Value) (Value, error) {
		if err := strs("ipRangeContains", a); err != nil {
			return Value{}, err
		}
		lo, hi, ok := ipRange(a[0].str)
		tlo, thi, tok := ipRange(a[1].str)
		if !ok || !tok || lo.Is4() != tlo.Is4() {
			return BoolValue(false), nil
		}
		return BoolValue(lo.Compare(tlo) <= 0 && thi.Compare(hi) <= 0), nil
	}),
}

// ipRange reads an address, a CIDR prefix or a range "a-b" as first and last
// address. A range of two families or in reverse is refused.
func ipRange(s string) (lo, hi netip.Addr, ok bool) {
	s = strings.TrimSpace(s)
	if from, to, found := strings.Cut(s, "-"); found {
		a, err1 := netip.ParseAddr(strings.TrimSpace(from))
		b, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err1 != nil || err2 != nil || a.Is4() != b.Is4() || b.Less(a) {
			return lo, hi, false
		}
		return a, b, true
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return lo, hi, false
		}
		p = p.Masked()
		b := p.Addr().AsSlice()
		for i := p.Bits(); i < len(b)*8; i++ {
			b[i/8] |= 1 << (7 - i%8)
		}
		last, _ := netip.AddrFromSlice(b)
		return p.Addr(), last, true
	}
	a, err := netip.ParseAddr(s)
	return a, a, err == nil
}
