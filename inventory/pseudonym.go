// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark/jsontape"
)

// personalNames are the members, lower-case, whose string values name or reach
// a natural person in the answers of the directory, of Azure DevOps, GitHub and
// Power Platform. Object ids are not among them: the joins need them, and they
// tell nothing without the directory.
var personalNames = map[string]bool{
	"userprincipalname": true, "mail": true, "mailnickname": true, "othermails": true, "proxyaddresses": true, "imaddresses": true,
	"givenname": true, "surname": true, "mobilephone": true, "businessphones": true, "streetaddress": true, "postalcode": true, "faxnumber": true,
	"onpremisessamaccountname": true, "onpremisesuserprincipalname": true, "onpremisesdistinguishedname": true, "employeeid": true, "aboutme": true, "birthday": true,
	"mailaddress": true, "uniquename": true, "principalname": true, "email": true, "emailaddress": true, "signinname": true, "login": true,
	"internalemailaddress": true, "domainname": true, "firstname": true, "lastname": true, "fullname": true, "userdisplayname": true,
	"ipaddress": true, "caller": true, "useremail": true, "contactemail": true,
}

// namedPeople are the members that hold a person's name only where the object
// is a person: those with one of personMarks beside them.
var (
	namedPeople = map[string]bool{"displayname": true, "name": true}
	personMarks = []string{"userprincipalname", "mail", "uniquename", "mailaddress", "principalname", "login", "internalemailaddress", "usertype"}
)

// Pseudonyms replaces personal data in answers by names that are the same for
// the same value and mean nothing without the map, which is to be kept apart
// from the evidence. It is safe for concurrent use.
//
// What checks look at survives: the domain of an address is replaced by a
// pseudonym of its own, and the mark of a guest (#EXT#) stays.
type Pseudonyms struct {
	key  []byte
	mu   sync.Mutex
	seen map[string]string // pseudonym to value
	// Keep, if set, is told of each pseudonym before the answer that holds it is
	// returned, so that a collection that is killed leaves no page with a name
	// that leads nowhere.
	Keep func(pseudonym, value string)
}

// NewPseudonyms takes the secret key, at least 32 bytes: with the same key the
// next collection gives the same names.
func NewPseudonyms(key []byte) (*Pseudonyms, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("the key has %d bytes, want at least 32", len(key))
	}
	return &Pseudonyms{key: slices.Clone(key), seen: map[string]string{}}, nil
}

// Map returns what each pseudonym stands for.
func (p *Pseudonyms) Map() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// name returns the pseudonym of a value.
func (p *Pseudonyms) name(prefix, value string) string {
	m := hmac.New(sha256.New, p.key)
	m.Write([]byte(strings.ToLower(value))) // addresses are compared without case
	out := prefix + hex.EncodeToString(m.Sum(nil)[:8])
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.seen[out]; !ok {
		p.seen[out] = value
		if p.Keep != nil {
			p.Keep(out, value)
		}
	}
	return out
}

// replace returns what stands for a value.
func (p *Pseudonyms) replace(value string) string {
	if value == "" || strings.HasPrefix(value, jsontape.Marker) {
		return value
	}
	scheme := ""
	if i := strings.IndexByte(value, ':'); i > 0 && i <= 4 && strings.Contains(value, "@") { // smtp:a@b
		scheme, value = value[:i+1], value[i+1:]
	}
	local, domain, address := strings.Cut(value, "@")
	if !address {
		return scheme + p.name("person-", value)
	}
	guest := ""
	if i := strings.Index(strings.ToUpper(local), "#EXT#"); i >= 0 {
		local, guest = local[:i], local[i:]
	}
	return scheme + p.name("person-", local+guest+"@"+domain) + guest + "@" + p.name("domain-", domain) + ".invalid"
}

// Answer replaces the personal data in an answer; it has the form that
// collect.Options.Redact asks for. What is not strict JSON is returned as it
// is: the engine refuses it.
func (p *Pseudonyms) Answer(received []byte) (kept []byte, replaced int) {
	tape, err := jsontape.Parse(received, jsontape.Options{})
	if err != nil {
		return received, 0
	}
	var out bytes.Buffer
	at := 0
	var walk func(v jsontape.Value, personal bool)
	walk = func(v jsontape.Value, personal bool) {
		switch v.Kind() {
		case jsontape.Object:
			person := isPerson(v)
			for name, m := range v.Members() {
				low := strings.ToLower(name)
				walk(m, personalNames[low] || person && namedPeople[low])
			}
		case jsontape.Array:
			for e := range v.Elems() {
				walk(e, personal)
			}
		case jsontape.String:
			if !personal {
				return
			}
			old := v.Str()
			name := p.replace(old)
			if name == old {
				return
			}
			text, err := json.Marshal(name)
			if err != nil {
				return // a string always has a form
			}
			out.Write(received[at:v.Offset()])
			out.Write(text)
			at = v.Offset() + len(v.Raw())
			replaced++
		default:
		}
	}
	walk(tape.Root(), false)
	if replaced == 0 {
		return received, 0
	}
	out.Write(received[at:])
	return out.Bytes(), replaced
}

func isPerson(v jsontape.Value) bool {
	for name := range v.Members() {
		if slices.Contains(personMarks, strings.ToLower(name)) {
			return true
		}
	}
	return false
}
