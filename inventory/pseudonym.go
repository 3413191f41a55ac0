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
	"actorupn": true, "actordisplayname": true, "actor": true, "actor_ip": true, "signinaddress": true, "providerdisplayname": true, "customdisplayname": true,
}

// namedPeople are the members that hold a person's name only where the object
// is a person: those with one of personMarks beside them, those of the type of
// a user, and those that stand in one of personSlots, which may have nothing
// but an id beside the name. An id alone marks nobody: groups and policies have
// one too.
var (
	namedPeople = map[string]bool{"displayname": true, "name": true}
	personMarks = []string{"userprincipalname", "mail", "uniquename", "mailaddress", "principalname", "login", "internalemailaddress", "usertype", "email"}
	personSlots = map[string]bool{
		"createdby": true, "closedby": true, "pushedby": true, "modifiedby": true, "lastmodifiedby": true, "changedby": true, "lastchangedby": true, "deletedby": true,
		"requestedby": true, "requestedfor": true, "autocompletesetby": true, "reviewers": true, "reviewer": true, "votedfor": true, "author": true, "committer": true,
		"approver": true, "assignedapprover": true, "actualapprover": true, "executedby": true, "addedby": true, "user": true, "actor": true, "authenticateduser": true,
	}
)

// freeText are the members that hold what a person wrote, by the members of
// which one stands beside them: the trailers of a commit name people, and so
// do the sentences of an audit log.
var freeText = map[string][]string{
	"message": {"author", "committer"}, "comment": {"author", "committer"}, "details": {"actorupn", "actordisplayname", "actoruserid"},
	"mergecommitmessage": nil, "ci.message": nil, "sourceversionmessage": nil,
}

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
	w := &personWalk{p: p, received: received, logins: map[string]bool{}}
	w.accounts(tape.Root())
	w.walk(tape.Root(), "", asIs)
	if w.replaced == 0 {
		return received, 0
	}
	w.out.Write(received[w.at:])
	return w.out.Bytes(), w.replaced
}

// personWalk is the way through one answer.
type personWalk struct {
	p        *Pseudonyms
	received []byte
	out      bytes.Buffer
	at       int
	replaced int
	// logins are the accounts of people in the answer, lower-case: addresses of
	// pages and full names of repositories hold them, too.
	logins map[string]bool
}

// treatment is what is done with a string.
type treatment int

const (
	asIs        treatment = iota
	asName                // a name or an address
	asText                // what a person wrote, which may hold names
	asQualified           // a text that begins with an account: account/repository, account:branch
)

// accounts gathers the logins of people.
func (w *personWalk) accounts(v jsontape.Value) {
	switch v.Kind() {
	case jsontape.Object:
		group := isGroup(v)
		for name, m := range v.Members() {
			if login := m.Str(); login != "" && !group && strings.EqualFold(name, "login") {
				w.logins[strings.ToLower(login)] = true
			}
			w.accounts(m)
		}
	case jsontape.Array:
		for e := range v.Elems() {
			w.accounts(e)
		}
	default:
	}
}

// walk goes through a value that is the member slot, or an element of it.
func (w *personWalk) walk(v jsontape.Value, slot string, how treatment) {
	switch v.Kind() {
	case jsontape.Object:
		beside := map[string]bool{}
		for name := range v.Members() {
			beside[strings.ToLower(name)] = true
		}
		group := isGroup(v)
		someone := !group && (personSlots[slot] || isPerson(v, beside))
		for name, m := range v.Members() {
			low := strings.ToLower(name)
			w.walk(m, low, treat(low, beside, someone, group))
		}
	case jsontape.Array:
		for e := range v.Elems() {
			w.walk(e, slot, how)
		}
	case jsontape.String:
		if old := v.Str(); old != "" {
			w.put(v, old, w.instead(old, how))
		}
	default:
	}
}

// treat says what is done with a member of an object.
func treat(low string, beside map[string]bool, someone, group bool) treatment {
	marks, free := freeText[low]
	switch {
	case group && (low == "login" || low == "principalname"):
		return asIs // the questions about its repositories are asked by it
	case personalNames[low], someone && namedPeople[low], low == "user" && beside["_document_id"]: // GitHub's audit log
		return asName
	case free && (marks == nil || slices.ContainsFunc(marks, func(m string) bool { return beside[m] })):
		return asText
	case low == "full_name", low == "label":
		return asQualified
	}
	return asIs
}

// instead returns what stands for a string.
func (w *personWalk) instead(old string, how treatment) string {
	switch {
	case how == asName:
		return w.p.replace(old)
	case how == asText && !strings.HasPrefix(old, jsontape.Marker):
		return w.p.name("text-", old)
	case len(w.logins) == 0:
	case how == asQualified:
		if i := strings.IndexAny(old, "/:"); i > 0 && w.logins[strings.ToLower(old[:i])] {
			return w.p.replace(old[:i]) + old[i:]
		}
	case strings.HasPrefix(old, "https://"), strings.HasPrefix(old, "http://"):
		return w.address(old)
	}
	return old
}

// address replaces the account in the address of a page: it is the first part
// of the path, or the one after users or repos. A repository may have the name
// of an account, and keeps it.
func (w *personWalk) address(old string) string {
	parts := strings.Split(old, "/") // scheme, nothing, host, path
	for i := 3; i < len(parts); i++ {
		if i > 3 && parts[i-1] != "users" && parts[i-1] != "repos" {
			continue
		}
		login, rest := parts[i], ""
		if end := strings.IndexAny(login, "{?#"); end >= 0 {
			login, rest = login[:end], login[end:]
		}
		if w.logins[strings.ToLower(login)] {
			parts[i] = w.p.replace(login) + rest
			break
		}
	}
	return strings.Join(parts, "/")
}

// put writes what stands for a string.
func (w *personWalk) put(v jsontape.Value, old, name string) {
	if name == old {
		return
	}
	text, err := json.Marshal(name)
	if err != nil {
		return // a string always has a form
	}
	w.out.Write(w.received[w.at:v.Offset()])
	w.out.Write(text)
	w.at = v.Offset() + len(v.Raw())
	w.replaced++
}

// isGroup reports whether an account of GitHub or Azure DevOps is no person's:
// an organisation, a team, a group.
func isGroup(v jsontape.Value) bool {
	return v.Get("subjectKind").Str() == "group" || v.Get("login").Kind() == jsontape.String && v.Get("type").Str() == "Organization" ||
		v.Get("slug").Kind() == jsontape.String && v.Get("login").Kind() == jsontape.Absent
}

func isPerson(v jsontape.Value, beside map[string]bool) bool {
	return slices.ContainsFunc(personMarks, func(m string) bool { return beside[m] }) ||
		v.Get("type").Str() == "User" || v.Get("subjectKind").Str() == "user" || strings.EqualFold(v.Get("@odata.type").Str(), "#microsoft.graph.user")
}
