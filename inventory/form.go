// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// This file tells by its looks what a string can be. A value that is kept for
// its form is one that a secret does not have: an id, a time, a version, an
// address, a word. Nothing here knows what secrets look like.

// Classes of bytes, one bit each.
const (
	isLower = 1 << iota
	isUpper
	isDigit
	isSep  // - _ . / : and the like, which stand between the parts of names
	isOdd  // + = ~ and the like, which encodings use
	isText // space and what only sentences have
	isHex
	isAlnum = isLower | isUpper | isDigit
)

var classes = func() (c [256]uint8) {
	for b := range 256 {
		switch {
		case b >= 'a' && b <= 'z':
			c[b] = isLower
		case b >= 'A' && b <= 'Z':
			c[b] = isUpper
		case b >= '0' && b <= '9':
			c[b] = isDigit | isHex
		case strings.IndexByte("-_./:", byte(b)) >= 0:
			c[b] = isSep
		case strings.IndexByte("+=~%&?#@$!^*\\`", byte(b)) >= 0:
			c[b] = isOdd
		default:
			c[b] = isText
		}
	}
	for _, b := range "abcdefABCDEF" {
		c[b] |= isHex
	}
	return c
}()

// random reports whether a run of letters and digits looks as if nobody had
// made it up: letters and digits, or cases, alternate more than in names that
// people write, or there are no vowels for long.
func random(run []byte) bool {
	if len(run) < 10 {
		return shortRandom(run)
	}
	digits, upper, lower, turns, mixes, dry, longest, hex := 0, 0, 0, 0, 0, 0, 0, true
	var last uint8
	for i, b := range run {
		c := classes[b]
		hex = hex && c&isHex != 0
		now := c & isAlnum
		switch now {
		case isDigit:
			digits++
		case isUpper:
			upper++
		default:
			lower++
		}
		if i > 0 && now != last {
			if now == isDigit || last == isDigit {
				mixes++
			} else if now == isUpper || i > 1 && classes[run[i-2]]&isUpper != 0 {
				turns++ // a new word; an acronym's end
				dry = 0
			}
		}
		if now != isDigit && strings.IndexByte("aeiouyAEIOUY", b) < 0 {
			dry++
			longest = max(longest, dry)
		} else {
			dry = 0
		}
		last = now
	}
	n := len(run)
	switch {
	case digits == n:
		return n > 16
	case hex && n >= 16 && digits > 0 && (lower > 0 || upper > 0):
		return true
	case longest >= 8 && upper != n, longest >= 10:
		return true
	case lower > 0 && upper > 0 && digits > 0:
		return (mixes+turns)*10 >= n*3 || mixes >= 4 || n >= 40 && mixes+turns >= 6
	case digits > 0:
		return mixes >= 5 || n >= 12 && mixes*10 >= n*3 || n >= 24 && mixes >= 3
	case lower > 0 && upper > 0:
		return n >= 12 && turns*10 >= n*3
	}
	return n > 45
}

// shortRandom is random for what is too short to count in: only a mix that
// changes at nearly every place.
func shortRandom(run []byte) bool {
	if len(run) < 7 {
		return false
	}
	changes, all := 0, uint8(0)
	for i, b := range run {
		all |= classes[b] & isAlnum
		if i > 0 && (classes[b]^classes[run[i-1]])&isAlnum != 0 && (classes[b]&isLower == 0 || classes[run[i-1]]&isUpper == 0) {
			changes++
		}
	}
	return all == isAlnum && changes >= 4
}

// encoded reports whether a whole word looks like base64 or the like: one long
// run of all kinds of characters.
func encoded(w []byte) bool {
	w = bytes.TrimRight(w, "=")
	if len(w) < 16 {
		return false
	}
	all, digits, changes, seps := uint8(0), 0, 0, 0
	for i, b := range w {
		c := classes[b]
		if c&isText != 0 || b == '.' || b == ':' || b == '@' {
			return false
		}
		if c&(isSep|isOdd) != 0 {
			seps++
		}
		all |= c
		if c&isDigit != 0 {
			digits++
		}
		if i > 0 && (c^classes[w[i-1]])&isAlnum != 0 && (c&isLower == 0 || classes[w[i-1]]&isUpper == 0) {
			changes++ // a capital before small letters begins a word
		}
	}
	return all&isLower != 0 && all&isUpper != 0 && digits > 0 && seps*8 <= len(w) && changes*10 >= len(w)*3
}

// runs calls yield for each run of letters and digits of a word.
func runs(w []byte, yield func(run []byte) bool) bool {
	for i := 0; i < len(w); {
		if classes[w[i]]&isAlnum == 0 {
			i++
			continue
		}
		j := i + 1
		for j < len(w) && classes[w[j]]&isAlnum != 0 {
			j++
		}
		if !yield(w[i:j]) {
			return false
		}
		i = j
	}
	return true
}

// pseudonymPrefixes begin what Pseudonyms writes, which ends in 16 digits.
var pseudonymPrefixes = [...]string{"person-", "domain-", "branch-", "text-"}

// withoutPseudonyms takes the random part of pseudonyms, and GUIDs, out of a
// word.
func withoutPseudonyms(w []byte) []byte {
	for _, p := range pseudonymPrefixes {
		for from := 0; ; {
			i := bytes.Index(w[from:], []byte(p))
			if i < 0 {
				break
			}
			from += i + len(p)
			if from+16 <= len(w) && only(w[from:from+16], "0123456789abcdef") && (from+16 == len(w) || classes[w[from+16]]&isAlnum == 0) {
				w = slices.Concat(w[:from], w[from+16:])
			}
		}
	}
	for i := 0; i+36 <= len(w); i++ {
		if isGUID(w[i:i+36]) && (i == 0 || classes[w[i-1]]&isAlnum == 0) && (i+36 == len(w) || classes[w[i+36]]&isAlnum == 0) {
			w = slices.Concat(w[:i], w[i+36:])
		}
	}
	return w
}

// made reports that no part of a word looks random.
func made(w []byte) bool {
	if len(w) > 20 && bytes.IndexByte(w, '-') > 0 {
		w = withoutPseudonyms(w)
	}
	return !encoded(w) && runs(w, func(run []byte) bool { return !random(run) })
}

// isGUID knows ids with or without braces.
func isGUID(v []byte) bool {
	if len(v) == 38 && v[0] == '{' && v[37] == '}' {
		v = v[1:37]
	}
	if len(v) != 36 {
		return false
	}
	for i, b := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if b != '-' {
				return false
			}
		} else if classes[b]&isHex == 0 {
			return false
		}
	}
	return true
}

// isTime knows dates, times and durations as services write them.
func isTime(v []byte) bool {
	if len(v) < 2 || len(v) > 40 {
		return false
	}
	if v[0] == 'P' && (classes[v[1]]&isDigit != 0 || v[1] == 'T') {
		return only(v, "PTYMWDHS.0123456789")
	}
	if !only(v, "0123456789TZ:.-+/ APM") || classes[v[0]]&isDigit == 0 {
		return false
	}
	if len(v) >= 8 && len(v) > 4 && (v[4] == '-' || v[2] == '/' || v[1] == '/') {
		return true
	}
	return bytes.IndexByte(v, ':') > 0 && len(v) <= 20 && only(v, "0123456789:. APM")
}

func only(v []byte, set string) bool {
	for _, b := range v {
		if strings.IndexByte(set, b) < 0 {
			return false
		}
	}
	return true
}

// isNumber knows what is too short, or too regular, to be a key: numbers,
// versions, addresses, ranges and lists of them.
func isNumber(v []byte) bool {
	if len(v) > 400 || len(v) == 0 || classes[v[0]]&isDigit == 0 && strings.IndexByte("v~-+:*^", v[0]) < 0 {
		return false
	}
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		if isAddress(part) {
			continue
		}
		if len(part) > 0 && (part[0] == 'v' || part[0] == '~') {
			part = part[1:]
		}
		if !only(part, "0123456789.-+:*%") {
			return false
		}
		if !runs(part, func(run []byte) bool { return len(run) <= 5 }) || len(part) > 24 {
			return false
		}
	}
	return true
}

func isAddress(v []byte) bool {
	if len(v) < 2 || len(v) > 49 || !only(v, "0123456789abcdefABCDEF.:/") || bytes.IndexByte(v, '.') < 0 && bytes.IndexByte(v, ':') < 0 {
		return false
	}
	if bytes.IndexByte(v, '/') > 0 {
		_, err := netip.ParsePrefix(string(v))
		return err == nil
	}
	_, err := netip.ParseAddr(string(v))
	return err == nil
}

// idPrefixes begin the ids of Azure's resources.
var idPrefixes = [...]string{"/subscriptions/", "/providers/", "/tenants/"}

// isResourceID knows ids of Azure's resources; what a service hangs on behind
// them is judged as part of the path.
func isResourceID(v []byte) bool {
	for _, p := range idPrefixes {
		if len(v) > len(p) && bytes.EqualFold(v[:len(p)], []byte(p)) {
			for _, b := range v {
				if classes[b]&(isAlnum|isSep) == 0 && strings.IndexByte("()[]; ,@+$|#%", b) < 0 && b < 0x80 {
					return false
				}
			}
			return true
		}
	}
	return false
}

// isHost knows names of hosts: lower-case labels, the last of letters only.
func isHost(v []byte, labels int) bool {
	n, at := 0, 0
	if len(v) > 253 {
		return false
	}
	v = bytes.TrimPrefix(v, []byte("*."))
	for i := 0; i <= len(v); i++ {
		if i < len(v) && v[i] != '.' {
			if classes[v[i]]&(isLower|isDigit) == 0 && v[i] != '-' && v[i] != '_' {
				return false
			}
			continue
		}
		if i == at || i-at > 63 {
			return false
		}
		n++
		at = i + 1
	}
	last := v[bytes.LastIndexByte(v, '.')+1:]
	if n < labels || len(last) < 2 || len(last) > 12 {
		return false
	}
	for _, b := range last {
		if classes[b]&isLower == 0 {
			return false
		}
	}
	return true
}

// azureHosts end the names of hosts that Azure gives out: what is before them
// is the name of a resource.
var azureHosts = [...]string{
	".windows.net", ".azure.net", ".azure.com", ".azurewebsites.net", ".azurefd.net", ".azureedge.net", ".cloudapp.net", ".azure-api.net",
	".azurecr.io", ".azureml.ms", ".azuresynapse.net", ".azurecontainerapps.io", ".azurecontainer.io", ".azurestaticapps.net", ".trafficmanager.net",
	".onmicrosoft.com", ".dynamics.com", ".chinacloudapi.cn", ".azure.cn", ".azure.us", ".usgovcloudapi.net", ".sharepoint.com", ".visualstudio.com",
}

func inAzure(host []byte) bool {
	for _, end := range azureHosts {
		if bytes.HasSuffix(host, []byte(end)) {
			return true
		}
	}
	return false
}

// isVaultURL knows the addresses of keys, secrets and certificates in vaults,
// which need a token to be read.
func isVaultURL(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte("https://"))
	if !ok {
		return false
	}
	host, path, _ := bytes.Cut(rest, []byte("/"))
	host, _, _ = bytes.Cut(host, []byte(":"))
	if !bytes.Contains(host, []byte(".vault.azure.")) && !bytes.Contains(host, []byte(".vault.usgovcloudapi.net")) && !bytes.Contains(host, []byte(".managedhsm.azure.")) || !isHost(bytes.ToLower(host), 3) || !inAzure(bytes.ToLower(host)) {
		return false
	}
	for _, b := range path {
		if classes[b]&isAlnum == 0 && b != '-' && b != '/' {
			return false
		}
	}
	return true
}

// serviceHosts are the services' own interfaces: what their links name is
// shown to who signs in, and to no one else.
var serviceHosts = map[string]bool{
	"dev.azure.com": true, "vssps.dev.azure.com": true, "vsrm.dev.azure.com": true, "feeds.dev.azure.com": true, "vstoken.dev.azure.com": true, "auditservice.dev.azure.com": true,
	"github.com": true, "api.github.com": true, "avatars.githubusercontent.com": true,
	"graph.microsoft.com": true, "graph.microsoft.us": true, "dod-graph.microsoft.us": true, "microsoftgraph.chinacloudapi.cn": true,
	"management.azure.com": true, "management.usgovcloudapi.net": true, "management.chinacloudapi.cn": true,
	"login.microsoftonline.com": true, "login.microsoftonline.us": true, "login.chinacloudapi.cn": true, "sts.windows.net": true,
}

// isServiceURL knows links into these: whatever is named, nothing is handed
// over. A user before the host is a name, not a token.
func isServiceURL(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte("https://"))
	if !ok || len(v) > 2000 || !compactForm(v) {
		return false
	}
	host, path, _ := bytes.Cut(rest, []byte("/"))
	if user, at, ok := bytes.Cut(host, []byte("@")); ok {
		if !isName(user) || len(user) > 39 {
			return false
		}
		host = at
	}
	if !serviceHosts[string(bytes.ToLower(host))] {
		return false
	}
	_, query, _ := bytes.Cut(path, []byte("?"))
	for part := range bytes.SplitSeq(query, []byte("&")) {
		if name, _, _ := bytes.Cut(part, []byte("=")); namesSecret(name) {
			return false
		}
	}
	return true
}

// isPublicKey knows the public halves of SSH keys.
func isPublicKey(v []byte) bool {
	for _, p := range [...]string{"ssh-rsa AAAA", "ssh-ed25519 AAAA", "ecdsa-sha2-nistp"} {
		if bytes.HasPrefix(v, []byte(p)) {
			return true
		}
	}
	return false
}

// isMAC knows the addresses of network cards.
func isMAC(v []byte) bool {
	for i, b := range v {
		if i%3 == 2 && b != '-' && b != ':' || i%3 != 2 && classes[b]&isHex == 0 {
			return false
		}
	}
	return true
}

// isURL knows links without anything that lets somebody in: no user, no query,
// no fragment, no part that looks random. If bare, there must be no path.
func isURL(v []byte, bare bool) bool {
	i := bytes.Index(v, []byte("://"))
	if i < 2 || i > 12 || len(v) > 2000 {
		return false
	}
	for _, b := range v[:i] {
		if classes[b]&isAlnum == 0 && b != '+' {
			return false
		}
	}
	if scheme := string(v[:i]); scheme == "api" || scheme == "spn" { // what an application calls itself
		return !bare && isPath(v[i+3:])
	}
	host, path, _ := bytes.Cut(v[i+3:], []byte("/"))
	name, port, _ := bytes.Cut(host, []byte(":"))
	if !isHost(bytes.ToLower(name), 1) && !isAddress(name) || len(port) > 5 || !only(port, "0123456789") {
		return false
	}
	if bare {
		return len(path) == 0
	}
	return isPath(path)
}

// isPath knows paths whose parts are words or ids.
func isPath(v []byte) bool {
	for part := range bytes.SplitSeq(v, []byte("/")) {
		for _, b := range part {
			if classes[b]&(isAlnum|isSep) == 0 && strings.IndexByte("()*$~{}", b) < 0 {
				return false
			}
		}
		if !isGUID(part) && !isTime(part) && !isNumber(part) && !made(part) && !isWideHex(part) {
			return false
		}
	}
	return true
}

// isWideHex knows names as Azure DevOps writes them into the tokens of its
// access control lists: each letter as two bytes, in hexadecimal digits.
func isWideHex(v []byte) bool {
	for i := 0; i+4 <= len(v); i += 4 {
		if string(v[i+2:i+4]) != "00" || classes[v[i]]&classes[v[i+1]]&isHex == 0 {
			return false
		}
	}
	return len(v) >= 4 && len(v)%4 == 0
}

// reference knows what stands for a value that is elsewhere: a secret of Key
// Vault, a parameter or variable of a template.
func reference(v []byte) bool {
	if bytes.HasPrefix(v, []byte("@Microsoft.KeyVault(")) {
		return len(v) < 400 && v[len(v)-1] == ')'
	}
	for _, p := range [...]string{"[parameters('", "[variables('", "@parameters('", "@variables('", "@{parameters('", "@{variables('"} {
		if rest, ok := bytes.CutPrefix(v, []byte(p)); ok {
			name, end, ok := bytes.Cut(rest, []byte("'"))
			return ok && len(name) < 80 && len(end) <= 2 && only(end, ")]}")
		}
	}
	return false
}

// strictForm knows the values that are harmless even where people put anything:
// no words but those of switches, no paths.
func strictForm(v []byte) bool {
	switch c := classes[v[0]]; {
	case len(v) <= 16 && c&(isLower|isUpper) != 0 && switches[string(bytes.ToLower(v))]:
		return true
	case isGUID(v), len(v) == 17 && isMAC(v), c&isDigit != 0 && isTime(v), v[0] == 'P' && isTime(v), isNumber(v), isAddress(v):
		return true
	case v[0] == '/':
		return len(v) == 1 || len(v) == 2 && v[1] == '*' || isResourceID(v)
	case v[0] == '[' || v[0] == '@':
		return reference(v)
	case c&(isLower|isUpper) == 0:
		return v[0] == '*' && len(v) == 1
	case isPublicKey(v):
		return true
	case bytes.Contains(v, []byte("://")):
		return isURL(v, true) || isVaultURL(v) || isServiceURL(v)
	}
	return isHost(v, 3) && (inAzure(v) || made(v))
}

// switches are the words that settings are set to everywhere.
var switches = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`true false yes no on off null none all any auto default enabled disabled enable disable
		allow deny allowed denied audit auditifnotexists deployifnotexists modify append block require required optional never always
		encryptandsign sign encrypt merge squash rebase
		string int integer bool boolean object array float double number securestring secureobject
		standard premium basic free manual automatic http https tcp udp get post put patch delete head options`) {
		m[w] = true
	}
	return m
}()

// narrowForm knows, beyond the strict forms, what settings are set to: a word,
// a name of few parts, a list of these, a link, a path, an address of mail.
func narrowForm(v []byte) bool {
	if len(v) > 2000 {
		return false
	}
	all := uint8(0)
	for _, b := range v {
		all |= classes[b]
	}
	switch {
	case all&^(isAlnum|isHex) == 0 && len(v) <= 40 && !random(v), strictForm(v):
		return true
	case all&^(isAlnum|isHex) == 0:
		return false
	case all&isAlnum == 0:
		return len(v) <= 8
	case bytes.Contains(v, []byte("://")):
		return isURL(v, false)
	case v[0] == '/':
		return isPath(v[1:])
	case all&isText != 0:
		return isList(v)
	}
	for part := range bytes.SplitSeq(v, []byte("/")) {
		if !isGUID(part) && !isWideHex(part) && !isName(part) {
			return false
		}
	}
	return true
}

// isList knows words with commas or semicolons between them.
func isList(v []byte) bool {
	n := 0
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		part = bytes.TrimSpace(part)
		n++
		if len(part) > 0 && !strictForm(part) && !isName(part) {
			return false
		}
	}
	return n > 1 || n == 1 && strings.IndexByte(",;|", v[len(v)-1]) >= 0
}

// isName knows a word or a name of few parts, such as Standard_LRS,
// Microsoft.Storage/storageAccounts, refs/heads/main, a.person@example.org.
func isName(v []byte) bool {
	if len(v) > 256 {
		return false
	}
	local, domain, mail := bytes.Cut(v, []byte("@"))
	if mail {
		return len(local) <= 64 && isHost(bytes.ToLower(domain), 2) && isName(local)
	}
	dashes, lines, steps := 0, 0, 0
	for _, b := range v {
		switch b {
		case '-':
			dashes++
		case '_':
			lines++
		case '.', '/', ':':
			steps++
		default:
			if classes[b]&isAlnum == 0 && strings.IndexByte("*~@$#", b) < 0 {
				return false
			}
		}
	}
	if isGUID(v) {
		return true
	}
	return dashes <= 2 && lines <= 3 && steps <= 8 && made(v) && runs(v, func(run []byte) bool { return len(run) <= 40 })
}

// betweenWords are the bytes that end a word of a sentence.
var betweenWords = func() (cut [128]bool) {
	for b := range cut {
		cut[b] = b <= ' ' || strings.IndexByte("\"'<>(),;|[]{}", byte(b)) >= 0
	}
	return cut
}()

// textForm knows what people write: sentences in which no word looks random, no
// link carries more than an address, and nothing is set to a value under a name
// that says secret.
func textForm(v []byte) bool {
	if len(v) > 1<<16 {
		return false
	}
	for w := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r < 0x80 && betweenWords[r] }) {
		set := bytes.HasSuffix(w, []byte(":")) || bytes.HasSuffix(w, []byte("="))
		w = bytes.TrimRight(w, ".:!?=")
		if set && namesSecret(bytes.TrimLeft(w, "-$")) {
			return false
		}
		if len(w) == 0 || isGUID(w) || isTime(w) || isNumber(w) {
			continue
		}
		if assigns(w) {
			return false
		}
		if i := bytes.Index(w, []byte("://")); i > 0 {
			if !isLink(w) && !isServiceURL(w) && !isVaultURL(w) {
				return false
			}
			continue
		}
		if w[0] == '/' && isResourceID(w) {
			continue
		}
		if at := bytes.IndexByte(w, '@'); at > 0 && isHost(bytes.ToLower(w[at+1:]), 2) {
			w = w[:at]
			if isGUID(w) {
				continue
			}
		}
		if isHost(w, 3) {
			continue
		}
		for part := range bytes.SplitSeq(w, []byte("/")) {
			if !isGUID(part) && !isTime(part) && !made(part) && !isWideHex(part) {
				return false
			}
		}
	}
	return true
}

// isLink is isURL with a query, as addresses of pages have it: parts that do
// not look random, under names that are not those of secrets.
func isLink(w []byte) bool {
	page, query, _ := bytes.Cut(w, []byte("?"))
	page, fragment, _ := bytes.Cut(page, []byte("#"))
	if !isURL(page, false) || !made(fragment) {
		return false
	}
	for part := range bytes.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == '#' }) {
		name, value, _ := bytes.Cut(part, []byte("="))
		if namesSecret(name) || len(value) > 0 && !isGUID(value) && !isTime(value) && !made(value) {
			return false
		}
	}
	return true
}

// assigns reports whether a word sets something whose name says secret:
// password=…, --token=…, api-key:…, also among others: user=a&password=….
func assigns(w []byte) bool {
	for part := range bytes.FieldsFuncSeq(w, func(r rune) bool { return r == '&' || r == '?' || r == '#' || r == ',' }) {
		for from := 0; ; {
			i := bytes.IndexAny(part[from:], "=:")
			if i < 0 {
				break
			}
			i += from
			name := part[:i]
			name = name[bytes.LastIndexAny(name, "/=:")+1:]
			if i+1 < len(part) && part[i+1] != '/' && len(name) >= 2 && namesSecret(bytes.TrimLeft(name, "-$")) {
				return true
			}
			from = i + 1
		}
	}
	return false
}

// namesSecret knows names under which secrets are handed over.
func namesSecret(name []byte) bool {
	low := strings.ToLower(string(name))
	for _, end := range [...]string{"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "api-key", "api_key", "accesskey", "accountkey", "subscription-key", "authorization", "credential"} {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	return low == "sig" || low == "code" || low == "key" || low == "pass" || low == "pat" || low == "auth"
}
