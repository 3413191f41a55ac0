// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"math/big"
	"net/netip"
	"strings"
)

// templateFuncs are the functions that templates read otherwise than policies:
// contains is case-sensitive in strings (Microsoft's template function
// reference), and string(true()) is "True" (Azure/PSRule.Rules.Azure#793).
var templateFuncs = []*Func{
	pure("contains", 2, 2, func(a []Value) (Value, error) {
		if a[0].kind == String && (a[1].kind == String || a[1].kind == Int) {
			return BoolValue(strings.Contains(a[0].str, a[1].Text())), nil
		}
		return contains(a)
	}),
	pure("string", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind == Bool {
			return StringValue(a[0].Text()), nil
		}
		return toString(a)
	}),
}

// networkFuncs compute with CIDR prefixes; Azure Policy does not have them.
var networkFuncs = []*Func{
	pure("parseCidr", 1, 1, func(a []Value) (Value, error) {
		p, err := prefix("parseCidr", a)
		if err != nil {
			return Value{}, err
		}
		first, last := p.Masked().Addr(), lastAddr(p)
		m := []Member{{"network", StringValue(first.String())}, {"netmask", StringValue(netmask(p))}}
		if p.Addr().Is4() {
			m = append(m, Member{"broadcast", StringValue(last.String())})
		}
		usable, end := first, last
		if p.Addr().Is4() && p.Bits() < 31 {
			usable, end = first.Next(), last.Prev()
		}
		return ObjectValue(append(m, Member{"firstUsable", StringValue(usable.String())}, Member{"lastUsable", StringValue(end.String())},
			Member{"cidr", IntValue(int64(p.Bits()))})), nil
	}),
	pure("cidrSubnet", 3, 3, func(a []Value) (Value, error) {
		p, err := prefix("cidrSubnet", a)
		if err != nil {
			return Value{}, err
		}
		bits, i, err := twoInts("cidrSubnet", a)
		if err != nil {
			return Value{}, err
		}
		if bits < int64(p.Bits()) || bits > int64(p.Addr().BitLen()) {
			return Value{}, fail("cidrSubnet cannot cut %s into networks of /%d", p, bits)
		}
		size := big.NewInt(1)
		size.Lsh(size, uint(p.Addr().BitLen())-uint(bits))
		addr, ok := plus(p, size.Mul(size, big.NewInt(i)))
		if i < 0 || !ok {
			return Value{}, fail("%s has no network of /%d with index %d", p, bits, i)
		}
		return StringValue(netip.PrefixFrom(addr, int(bits)).String()), nil
	}),
	pure("cidrHost", 2, 2, func(a []Value) (Value, error) {
		p, err := prefix("cidrHost", a)
		if err != nil {
			return Value{}, err
		}
		if a[1].kind != Int {
			return Value{}, wrong("cidrHost", 1, "an integer", a[1])
		}
		// Index 0 is the first usable address, which follows the network's own.
		n := a[1].Int()
		if p.Addr().Is4() && p.Bits() < 31 {
			n++
		}
		addr, ok := plus(p, big.NewInt(n))
		if a[1].Int() < 0 || !ok {
			return Value{}, fail("%s has no host with index %d", p, a[1].Int())
		}
		return StringValue(addr.String()), nil
	}),
}

func prefix(fn string, a []Value) (netip.Prefix, error) {
	if a[0].kind != String {
		return netip.Prefix{}, wrong(fn, 0, "a string", a[0])
	}
	p, err := netip.ParsePrefix(a[0].str)
	if err != nil {
		return p, fail("%s cannot read %q as a network such as 10.0.0.0/16", fn, a[0].str)
	}
	return p, nil
}

func twoInts(fn string, a []Value) (x, y int64, err error) {
	for i, v := range a[1:3] {
		if v.kind != Int {
			return 0, 0, wrong(fn, i+1, "an integer", v)
		}
	}
	return a[1].Int(), a[2].Int(), nil
}

// plus is the address n behind the start of p, if it lies in p.
func plus(p netip.Prefix, n *big.Int) (netip.Addr, bool) {
	start := p.Masked().Addr().AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(start), n)
	if sum.Sign() < 0 || sum.BitLen() > len(start)*8 {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(sum.FillBytes(make([]byte, len(start))))
	return addr, ok && p.Contains(addr)
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b) // the length is right
	return a
}

func netmask(p netip.Prefix) string {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b) // the length is right
	return a.String()
}
