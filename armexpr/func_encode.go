// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"crypto/sha1" //nolint:gosec // RFC 4122 version 5 asks for it
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/url"
	"strings"
	"unicode/utf8"
)

var encodeFuncs = []*Func{
	pure("base64", 1, 1, onString("base64", func(s string) Value {
		return StringValue(base64.StdEncoding.EncodeToString([]byte(s)))
	})),
	pure("base64ToString", 1, 1, func(a []Value) (Value, error) { return decode64("base64ToString", a[0]) }),
	pure("base64ToJson", 1, 1, func(a []Value) (Value, error) {
		v, err := decode64("base64ToJson", a[0])
		if err != nil {
			return Value{}, err
		}
		return parseJSON("base64ToJson")([]Value{v})
	}),
	pure("uriComponent", 1, 1, onString("uriComponent", func(s string) Value { return StringValue(escapeURI(s)) })),
	pure("uriComponentToString", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind != String {
			return Value{}, wrong("uriComponentToString", 0, "a string", a[0])
		}
		s, err := url.PathUnescape(a[0].str)
		if err != nil || !utf8.ValidString(s) {
			return Value{}, fail("uriComponentToString cannot decode %q", a[0].str)
		}
		return StringValue(s), nil
	}),
	pure("dataUri", 1, 1, onString("dataUri", func(s string) Value {
		return StringValue("data:text/plain;charset=utf8;base64," + base64.StdEncoding.EncodeToString([]byte(s)))
	})),
	pure("dataUriToString", 1, 1, dataURIToString),
	pure("uri", 2, 2, joinURI),
	pure("uniqueString", 1, -1, uniqueString),
	pure("guid", 1, -1, guid),
}

func decode64(name string, v Value) (Value, error) {
	if v.kind != String {
		return Value{}, wrong(name, 0, "a string", v)
	}
	b, err := base64.StdEncoding.DecodeString(v.str)
	if err != nil || !utf8.Valid(b) {
		return Value{}, fail("%s cannot decode its argument as base64 text", name)
	}
	return StringValue(string(b)), nil
}

// escapeURI keeps the unreserved characters of RFC 3986 and escapes the rest.
func escapeURI(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if letter(c) || digit(c) || strings.IndexByte("-.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func dataURIToString(a []Value) (Value, error) {
	if a[0].kind != String {
		return Value{}, wrong("dataUriToString", 0, "a string", a[0])
	}
	rest, ok := strings.CutPrefix(a[0].str, "data:")
	if ok {
		head, data, found := strings.Cut(rest, ",")
		if found && strings.HasSuffix(head, ";base64") {
			return decode64("dataUriToString", StringValue(data))
		}
		if found {
			if s, err := url.PathUnescape(data); err == nil {
				return StringValue(s), nil
			}
		}
	}
	return Value{}, fail("dataUriToString cannot read %q as a data URI", a[0].str)
}

func joinURI(a []Value) (Value, error) {
	if err := strs("uri", a); err != nil {
		return Value{}, err
	}
	base, err := url.Parse(a[0].str)
	if err != nil || !base.IsAbs() {
		return Value{}, fail("the base %q is not an absolute URI", a[0].str)
	}
	rel, err := url.Parse(a[1].str)
	if err != nil {
		return Value{}, fail("%q is not a URI", a[1].str)
	}
	return StringValue(base.ResolveReference(rel).String()), nil
}

func joinArgs(name string, a []Value) (string, error) {
	if err := strs(name, a); err != nil {
		return "", err
	}
	parts := make([]string, len(a))
	for i, v := range a {
		parts[i] = v.str
	}
	return strings.Join(parts, "-"), nil
}

// guid is a version 5 UUID of the arguments in Resource Manager's namespace.
func guid(a []Value) (Value, error) {
	s, err := joinArgs("guid", a)
	if err != nil {
		return Value{}, err
	}
	ns, _ := hex.DecodeString("11fb06fb712d4ddd98c7e71bbd588830")
	h := sha1.New() //nolint:gosec // see the import
	h.Write(ns)
	h.Write([]byte(s))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return StringValue(x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]), nil
}

// uniqueString is a 13-character base-32 form of a 64-bit Murmur hash of the
// arguments. Resource Manager does not publish the algorithm; this one follows
// public re-implementations and is deterministic in any case.
func uniqueString(a []Value) (Value, error) {
	s, err := joinArgs("uniqueString", a)
	if err != nil {
		return Value{}, err
	}
	h := murmur64([]byte(s))
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	var b [13]byte
	for i := range b {
		b[i] = alphabet[h>>59]
		h <<= 5
	}
	return StringValue(string(b[:])), nil
}

func murmur64(data []byte) uint64 {
	const c1, c2 = 0x239b961b, 0xab0e9789
	var h1, h2 uint32
	n := len(data)
	for len(data) >= 8 {
		k1, k2 := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		h1 ^= bits.RotateLeft32(k1*c1, 15) * c2
		h1 = (bits.RotateLeft32(h1, 19)+h2)*5 + 0x561ccd1b
		h2 ^= bits.RotateLeft32(k2*c2, 17) * c1
		h2 = (bits.RotateLeft32(h2, 13)+h1)*5 + 0x0bcaa747
		data = data[8:]
	}
	var tail [8]byte
	copy(tail[:], data)
	if len(data) > 0 {
		h1 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[:])*c1, 15) * c2
	}
	if len(data) > 4 {
		h2 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[4:])*c2, 17) * c1
	}
	h1 ^= uint32(n) //nolint:gosec // lengths are bounded
	h2 ^= uint32(n) //nolint:gosec // see above
	h1 += h2
	h2 += h1
	mix := func(h uint32) uint32 {
		h = (h ^ h>>16) * 0x85ebca6b
		h = (h ^ h>>13) * 0xc2b2ae35
		return h ^ h>>16
	}
	h1, h2 = mix(h1), mix(h2)
	h1 += h2
	h2 += h1
	return uint64(h2)<<32 | uint64(h1)
}
