// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// Redaction tells what Redact replaced in one page.
type Redaction struct {
	// Segment and Page say which page of the snapshot.
	Segment, Page int
	// Received are the page's bytes as they were, and Digest is theirs.
	Received []byte
	Digest   tickmark.Digest
	Marks    []Mark
}

// Mark is one replaced value.
type Mark struct {
	// Rule is the rule that took the value for a secret; its name is part of
	// the marker in the bytes.
	Rule string
	// Received is the offset of the value in the received bytes, Kept that of
	// the marker in the kept ones. Both point at the opening quote.
	Received, Kept int
	end            int // of the received value
}

// secretNames are the member names, lower-case, whose string values are
// secrets in every type that has them. Names that some type uses for something
// harmless (key, value, secret, key1) are not here.
var secretNames = map[string]string{
	"accountkey": "key", "storageaccountkey": "key", "storageaccountaccesskey": "key", "accesskey": "key",
	"primarykey": "key", "secondarykey": "key", "primarymasterkey": "key", "secondarymasterkey": "key",
	"primaryreadonlymasterkey": "key", "secondaryreadonlymasterkey": "key",
	"primaryaccesskey": "key", "secondaryaccesskey": "key", "primarysharedkey": "key", "secondarysharedkey": "key",
	"sharedkey": "key", "authorizationkey": "key", "registrationinfotoken": "token",
	"connectionstring": "connection-string", "primaryconnectionstring": "connection-string", "secondaryconnectionstring": "connection-string",
	"aliasprimaryconnectionstring": "connection-string", "aliassecondaryconnectionstring": "connection-string",
	"password": "password", "adminpassword": "password", "administratorloginpassword": "password",
	"administratorpassword": "password", "clientsecret": "password", "secrettext": "password",
	"serviceprincipalclientsecret": "password", "radiusserversecret": "password", "publishingpassword": "password",
	"sastoken": "sas", "accountsastoken": "sas", "storageaccountsastoken": "sas", "sasuri": "sas", "sasurl": "sas",
	"accesstoken": "token", "refreshtoken": "token", "idtoken": "token", "bearertoken": "token",
	"customdata": "custom-data", "userdata": "custom-data",
	"protectedsettings": "protected-settings", "securevalue": "secure-value",
}

// secretContainers are members that hold lists of settings, in which every
// string that is a value is a secret: application settings, environment
// variables, connection strings, the answers of list-keys actions.
var secretContainers = map[string]string{
	"appsettings": "app-setting", "connectionstrings": "connection-string",
	"environmentvariables": "environment", "env": "environment", "keys": "key", "secrets": "secure-value",
}

// valueNames are the members of a setting that hold its value.
var valueNames = map[string]bool{"value": true, "connectionstring": true, "securevalue": true, "secretvalue": true}

// settingsIDs end the ids of objects whose properties are all settings.
var settingsIDs = []string{"/config/appsettings", "/config/connectionstrings", "/config/azurestorageaccounts"}

// nameFilter has a bit for each ending (last four letters, lower-case) of the
// names above: a quick no for nearly all member names.
var nameFilter = func() (f [64]uint64) {
	for _, table := range []map[string]string{secretNames, secretContainers} {
		for n := range table {
			h := endingHash(n)
			f[h>>6] |= 1 << (h & 63)
		}
	}
	return f
}()

// endingHash is 12 bits of the last up to four bytes, letters folded.
func endingHash[T string | []byte](name T) uint32 {
	var w uint32
	for i := max(0, len(name)-4); i < len(name); i++ {
		w = w<<8 | uint32(name[i]|0x20)
	}
	return w * 0x9E3779B1 >> 20
}

// secretShape says which kind of secret a string value is by its looks.
func secretShape(v []byte, equals bool) string {
	if len(v) < 8 {
		return ""
	}
	switch {
	case v[0] == '-' && bytes.HasPrefix(v, []byte("-----BEGIN")) && bytes.Contains(v[:min(len(v), 64)], []byte("PRIVATE KEY")):
		return "private-key"
	case v[0] == 'e' && bytes.HasPrefix(v, []byte("eyJ")) && bytes.Count(v, []byte{'.'}) == 2 && len(v) > 40 && bytes.IndexByte(v, ' ') < 0:
		return "token"
	}
	if rule := tokenShape(v); rule != "" {
		return rule
	}
	if u := bytes.Index(v, []byte("://")); u > 0 && u < 16 {
		host, _, _ := bytes.Cut(v[u+3:], []byte("/"))
		if at := bytes.IndexByte(host, '@'); at > 0 && bytes.IndexByte(host[:at], ':') > 0 {
			return "url-password"
		}
	}
	if !equals {
		return ""
	}
	low := bytes.ToLower(v)
	for _, s := range [...]struct{ sign, rule string }{
		{"accountkey=", "connection-string"},
		{"sharedaccesskey=", "connection-string"},
		{"sharedaccesssignature=", "sas"},
		{"sharedsecret=", "connection-string"},
	} {
		if i := bytes.Index(low, []byte(s.sign)); i >= 0 && len(low) > i+len(s.sign) {
			return s.rule
		}
	}
	if bytes.Contains(low, []byte("sig=")) && (bytes.Contains(low, []byte("se=")) || bytes.Contains(low, []byte("sv="))) {
		return "sas"
	}
	for _, sign := range [...]string{"password=", "pwd="} {
		if i := bytes.Index(low, []byte(sign)); i >= 0 && (i == 0 || low[i-1] == ';' || low[i-1] == ' ' || low[i-1] == '&' || low[i-1] == '?') && len(low) > i+len(sign) && bytes.IndexByte(low, ';') >= 0 {
			return "connection-string"
		}
	}
	return ""
}

// tokenShape knows secrets that their makers marked, so that they are found
// wherever they stand. The marks are published in
// docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
// and in the rules of github.com/microsoft/security-utilities (unverified here).
func tokenShape(v []byte) string {
	switch {
	case v[0] == 'g' && len(v) >= 40 && v[3] == '_' && v[1] == 'h' && bytes.IndexByte([]byte("pousr"), v[2]) >= 0 && bytes.IndexByte(v, ' ') < 0,
		len(v) >= 50 && bytes.HasPrefix(v, []byte("github_pat_")),
		len(v) == 84 && string(v[76:80]) == "AZDO":
		return "token"
	case len(v) == 40 && (v[3] == '7' || v[3] == '8') && v[4] == 'Q' && v[5] == '~': // an application's secret
		return "password"
	case len(v) == 88 && v[87] == '=' && (string(v[76:80]) == "+ASt" || string(v[76:80]) == "ACDb"): // of storage, of Cosmos DB
		return "key"
	}
	return ""
}

// found is a secret string: its bytes with quotes are src[off:end].
type found struct {
	off, end int
	rule     string
	soft     bool // it is kept if it is part of a policy
}

// Redact replaces the values of secrets in the pages of s by markers, which
// rules see as unobserved values, and recomputes the digests of these pages.
// Pages without secrets keep their bytes. It comes before Build and before
// anything is stored, so that evaluation and evidence see the same bytes. It
// does not need valid JSON: what cannot be parsed can hold secrets too.
func Redact(s *tickmark.Snapshot) []Redaction { return RedactRelaxing(s, func() {}) }

// RedactRelaxing is Redact that calls relax now and then, when most of the
// bytes read so far will not be read for a while.
func RedactRelaxing(s *tickmark.Snapshot, relax func()) []Redaction {
	type job struct {
		segment, page int
		off, end      int
		found         []found
	}
	var jobs []job
	for si := range s.Segments {
		for pi := range s.Segments[si].Pages {
			p := &s.Segments[si].Pages[pi]
			from := 0
			for _, it := range p.Items { // cut only where an item begins: never inside a string
				if it.Off-from >= chunkBytes {
					jobs = append(jobs, job{segment: si, page: pi, off: from, end: it.Off})
					from = it.Off
				}
			}
			jobs = append(jobs, job{segment: si, page: pi, off: from, end: len(p.Bytes)})
		}
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	const batch = 16
	var read atomic.Int64
	for i := 0; i < len(jobs); i += batch {
		g.Go(func() error {
			for k := i; k < min(i+batch, len(jobs)); k++ {
				j := &jobs[k]
				p := &s.Segments[j.segment].Pages[j.page]
				j.found = findSecrets(p.Bytes, head(p), j.off, j.end)
				n := int64(j.end - j.off)
				if now := read.Add(n); now/relaxBytes != (now-n)/relaxBytes {
					relax()
				}
			}
			return nil
		})
	}
	_ = g.Wait() // searching cannot fail
	var out []Redaction
	for i := 0; i < len(jobs); {
		j := i
		var all []found
		for ; j < len(jobs) && jobs[j].segment == jobs[i].segment && jobs[j].page == jobs[i].page; j++ {
			all = append(all, jobs[j].found...)
		}
		if len(all) > 0 {
			r := replace(&s.Segments[jobs[i].segment].Pages[jobs[i].page], all)
			r.Segment, r.Page = jobs[i].segment, jobs[i].page
			out = append(out, r)
		}
		i = j
	}
	return out
}

// head is where the first item of a page begins.
func head(p *tickmark.Page) int {
	if len(p.Items) == 0 {
		return len(p.Bytes)
	}
	return p.Items[0].Off
}

// RedactAnswer is Redact for one answer that is not split into items yet: it
// returns what is kept of it and how many values were replaced. The bytes of an
// answer without secrets are returned as they are.
func RedactAnswer(received []byte) (kept []byte, replaced int) {
	secrets := findSecrets(received, 0, 0, len(received))
	if len(secrets) == 0 {
		return received, 0
	}
	p := tickmark.Page{Bytes: received}
	r := replace(&p, secrets)
	return p.Bytes, len(r.Marks)
}

// replace rewrites a page with markers for the secrets found in it.
func replace(p *tickmark.Page, secrets []found) Redaction {
	slices.SortStableFunc(secrets, func(a, b found) int {
		if a.off == b.off && (a.rule == unlisted) != (b.rule == unlisted) {
			if a.rule == unlisted {
				return 1 // what knows the secret says more
			}
			return -1
		}
		return a.off - b.off
	})
	r := Redaction{Received: p.Bytes, Digest: p.Digest}
	grown := 0
	for _, f := range secrets {
		grown += len(marker(f.rule))
	}
	kept := make([]byte, 0, len(p.Bytes)+grown)
	// The digest is computed behind the copying, at the same time: the other
	// goroutine gets the parts that are finished and never looks at kept.
	ready := make(chan []byte, 1024)
	digest := make(chan tickmark.Digest)
	go func() {
		h := sha256.New()
		for part := range ready {
			h.Write(part)
		}
		digest <- tickmark.Digest(h.Sum(nil))
	}()
	at, sent := 0, 0
	clean := func(end int) {
		for at < end {
			n := min(end-at, chunkBytes)
			kept = append(kept, p.Bytes[at:at+n]...)
			at += n
			ready <- kept[sent:len(kept):len(kept)]
			sent = len(kept)
		}
	}
	for _, f := range secrets {
		if f.off < at {
			continue // found by two rules
		}
		clean(f.off)
		r.Marks = append(r.Marks, Mark{Rule: f.rule, Received: f.off, Kept: len(kept), end: f.end})
		kept = append(kept, marker(f.rule)...)
		at = f.end
	}
	clean(len(p.Bytes))
	ready <- kept[sent:len(kept):len(kept)]
	close(ready)
	p.Items = slices.Clone(p.Items)
	shift, m := 0, 0
	for i := range p.Items {
		it := &p.Items[i]
		off, end := it.Off, it.Off+it.Len
		for ; m < len(r.Marks) && r.Marks[m].Received < off; m++ {
			shift = r.Marks[m].shift()
		}
		it.Off += shift
		for ; m < len(r.Marks) && r.Marks[m].Received < end; m++ {
			shift = r.Marks[m].shift()
		}
		it.Len = end + shift - it.Off
	}
	p.Bytes = kept
	p.Digest = <-digest
	return r
}

// marker is the JSON string that stands for a secret.
func marker(rule string) string {
	return `"` + jsontape.Marker + string(tickmark.ReasonRedacted) + ":" + rule + `"`
}

// shift returns how far the bytes behind the mark have moved.
func (m *Mark) shift() int {
	return m.Kept + len(marker(m.Rule)) - m.end
}

// receivedOffset translates an offset in the kept bytes into one in the
// received bytes, for messages about the file as the user has it.
func (r *Redaction) receivedOffset(kept int) int {
	n := sort.Search(len(r.Marks), func(i int) bool { return r.Marks[i].Kept >= kept })
	if n == 0 {
		return kept
	}
	return kept - r.Marks[n-1].shift()
}

// harmless are values that stand for a secret without being one: references
// into Key Vault, template expressions, Azure's own masks, our own markers.
func harmless(v []byte) bool {
	for _, p := range [...]string{"@Microsoft.KeyVault(", "[parameters(", "[variables(", "****", jsontape.Marker} {
		if bytes.HasPrefix(v, []byte(p)) {
			return true
		}
	}
	return false
}

// container redacts the values of the settings in the container at src[i];
// all of its strings that are values if every is set.
func (f *finder) container(i int, rule string, every bool) {
	depth := 0
	name := ""
	for i < f.end {
		switch c := f.src[i]; c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return
			}
		case ',':
			name = ""
		case '"':
			end, _ := stringEnd(f.src, i, f.end)
			if end > f.end || end-i < 2 {
				return
			}
			next := end
			for next < f.end && isSpace(f.src[next]) {
				next++
			}
			switch {
			case next < f.end && f.src[next] == ':':
				name = strings.ToLower(string(f.src[i+1 : end-1]))
			case (every || valueNames[name]) && end-i > 2 && !harmless(f.src[i+1:end-1]):
				f.found = append(f.found, found{off: i, end: end, rule: rule})
			}
			i = end
			continue
		}
		i++
	}
}

// settings handles the objects of which all properties are settings: the
// string at src[i:end] is their id.
func (f *finder) settings(i, end int) {
	low := bytes.ToLower(f.src[max(i+1, end-40) : end-1])
	for _, s := range settingsIDs {
		if !bytes.HasSuffix(low, []byte(s)) {
			continue
		}
		// The properties may come before or behind the id: look from the
		// start of the object that holds it.
		open := f.objectStart(i)
		for k := open + 1; k > 0 && k < f.end; {
			switch f.src[k] {
			case '"':
				e, _ := stringEnd(f.src, k, f.end)
				if e > f.end || e-k < 2 {
					return
				}
				if strings.EqualFold(string(f.src[k+1:e-1]), "properties") {
					for e < f.end && (isSpace(f.src[e]) || f.src[e] == ':') {
						e++
					}
					if e < f.end && f.src[e] == '{' {
						f.container(e, "app-setting", true)
						return
					}
				}
				k = e
			case '{', '[':
				k = f.skip(k)
			case '}':
				return
			default:
				k++
			}
		}
		return
	}
}

// objectStart finds the brace that opens the object around src[i], by walking
// back over balanced brackets. Braces inside strings are rare in ids and
// names; a wrong start can only redact less or more of one object.
func (f *finder) objectStart(i int) int {
	depth := 0
	for k := i - 1; k >= 0; k-- {
		switch f.src[k] {
		case '}', ']':
			depth++
		case '{', '[':
			if depth == 0 {
				return k
			}
			depth--
		}
	}
	return -1
}

// skip returns the end of the container at src[k].
func (f *finder) skip(k int) int {
	depth := 0
	for k < f.end {
		switch f.src[k] {
		case '"':
			e, _ := stringEnd(f.src, k, f.end)
			k = max(e, k+1)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return k + 1
			}
		}
		k++
	}
	return k
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

const (
	eachByte = 0x0101010101010101
	lowBits  = 0x7f7f7f7f7f7f7f7f
)

// zeroBytes has the top bit set in every byte of w that is zero.
func zeroBytes(w uint64) uint64 { return ^((w & lowBits) + lowBits | w | lowBits) }

// stringEnd returns the end of the string whose opening quote is src[i], at
// most limit+1, and whether it holds an equals sign.
func stringEnd(src []byte, i, limit int) (end int, equals bool) {
	var eq uint64
	i++
	for i+8 <= limit {
		w := binary.LittleEndian.Uint64(src[i:])
		hit := zeroBytes(w^'"'*eachByte) | zeroBytes(w^'\\'*eachByte)
		eq |= zeroBytes(w ^ '='*eachByte) // may see a few bytes behind the string: only a hint
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) >> 3
		if src[i] == '"' {
			return i + 1, eq != 0
		}
		i += 2
	}
	for i < limit {
		switch src[i] {
		case '"':
			return i + 1, eq != 0
		case '\\':
			i++
		case '=':
			eq = 1
		}
		i++
	}
	return limit + 1, eq != 0
}
