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
	"memberdisplayname": true, "membername": true, "requesteddisplayname": true, "directoryalias": true, "samaccountname": true, "signinidentifier": true,
	"alternatesigninname": true, "issuerassignedid": true, "preferredname": true, "nickname": true, "middlename": true, "windowsliveid": true,
	"phonenumber": true, "telephonenumber": true, "homephone": true, "telephone1": true, "telephone2": true, "address1_telephone1": true, "devicename": true, "manageddevicename": true,
	"calleripaddress": true, "clientip": true, "external_identity_nameid": true, "external_identity_username": true, "added_by": true,
	"pr.sender.name": true, "ci.triggeredby": true,
}

// namedPeople are the members that hold a person's name only where the object
// is a person: those with one of personMarks beside them, those of the type of
// a user, and those that stand in one of personSlots, which may have nothing
// but an id beside the name. An id alone marks nobody: groups and policies have
// one too.
var (
	namedPeople = map[string]bool{"displayname": true, "name": true, "accountname": true, "assignedto": true}
	personMarks = []string{
		"userprincipalname", "mail", "uniquename", "mailaddress", "principalname", "login", "internalemailaddress", "usertype", "email",
		"azureaduserid", "aaduserid", "upnsuffix", "usersid", // accounts in alerts
	}
	personSlots = map[string]bool{
		"createdby": true, "closedby": true, "pushedby": true, "modifiedby": true, "lastmodifiedby": true, "changedby": true, "lastchangedby": true, "deletedby": true,
		"requestedby": true, "requestedfor": true, "autocompletesetby": true, "reviewers": true, "reviewer": true, "votedfor": true, "author": true, "committer": true,
		"approver": true, "assignedapprover": true, "actualapprover": true, "executedby": true, "addedby": true, "user": true, "actor": true, "authenticateduser": true,
	}
)

// freeText are the members that hold what a person wrote, by the members of
// which one stands beside them: the trailers of a commit name people, and so
// do the title of a pull request and the sentences of an audit log.
var freeText = map[string][]string{
	"message": {"author", "committer"}, "details": {"actorupn", "actordisplayname", "actoruserid"},
	"comment":  {"author", "committer", "assignedapprover", "actualapprover", "changedby"},
	"comments": {"approver", "approvals"}, "title": {"pullrequestid", "head", "pull_request", "added_by"}, "body": {"head", "commit_id", "pull_request"},
	"description": {"pullrequestid", "creator"}, "display_title": nil,
	"mergecommitmessage": nil, "bypassreason": nil, "ci.message": nil, "sourceversionmessage": nil, "pr.title": nil,
	"justification": nil, "dismissed_comment": nil, "resolution_comment": nil, "push_protection_bypass_request_comment": nil,
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
	kept map[string]bool   // branches that keep their names, lower-case
	// Keep, if set, is told of each pseudonym before the answer that holds it is
	// returned, so that a collection that is killed leaves no page with a name
	// that leads nowhere.
	Keep func(pseudonym, value string)
	// Branch, if set, is told of each branch that keeps its name because it is
	// the default of a repository; KeepBranches takes it again.
	Branch func(name string)
}

// NewPseudonyms takes the secret key, at least 32 bytes: with the same key the
// next collection gives the same names.
func NewPseudonyms(key []byte) (*Pseudonyms, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("the key has %d bytes, want at least 32", len(key))
	}
	return &Pseudonyms{key: slices.Clone(key), seen: map[string]string{}, kept: map[string]bool{}}, nil
}

// KeepBranches names branches that keep their names whatever they are. The
// defaults of repositories are among them as they are met: the questions about
// their rules are asked by them.
func (p *Pseudonyms) KeepBranches(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		n = strings.TrimPrefix(n, "refs/heads/")
		if low := strings.ToLower(n); n != "" && !p.kept[low] {
			p.kept[low] = true
			if p.Branch != nil && !commonBranch(n) {
				p.Branch(n)
			}
		}
	}
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
	if value == "" || strings.HasPrefix(value, jsontape.Marker) || nobody(value) || replacedAlready.MatchString(value) {
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
	if at := strings.IndexByte(local, '#'); at >= 0 && strings.EqualFold(local[:at], "live.com") { // how Azure marks a personal account
		scheme, local = scheme+local[:at+1], local[at+1:]
	}
	guest := ""
	if i := strings.Index(strings.ToUpper(local), "#EXT#"); i >= 0 {
		local, guest = local[:i], local[i:]
	}
	return scheme + p.name("person-", local+guest+"@"+domain) + guest + "@" + p.name("domain-", domain) + ".invalid"
}

// Answer replaces the personal data in an answer; it has the form that
// collect.Options.Redact asks for. Of what is no JSON, such as the words of a
// refusal, addresses are replaced, and lines that are JSON are treated as such.
func (p *Pseudonyms) Answer(received []byte) (kept []byte, replaced int) {
	tape, err := jsontape.Parse(received, jsontape.Options{})
	if err != nil {
		return p.lines(received)
	}
	w := &personWalk{p: p, received: received, logins: map[string]bool{}}
	w.accounts(tape.Root())
	w.walk(tape.Root(), "", asIs)
	return w.end()
}

// lines treats a text line by line.
func (p *Pseudonyms) lines(received []byte) (kept []byte, replaced int) {
	var out []byte
	for line := range bytes.Lines(received) {
		text, n := line, 0
		if start := bytes.TrimSpace(line); len(start) > 0 && start[0] == '{' && json.Valid(start) {
			text, n = p.Answer(line)
		} else if now := p.addresses(string(line)); now != string(line) {
			text, n = []byte(now), 1
		}
		out = append(out, text...)
		replaced += n
	}
	if replaced == 0 {
		return received, 0
	}
	return out, replaced
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
	deep   int // texts inside of texts
}

// end returns the answer.
func (w *personWalk) end() (kept []byte, replaced int) {
	if w.replaced == 0 {
		return w.received, 0
	}
	w.out.Write(w.received[w.at:])
	return w.out.Bytes(), w.replaced
}

// treatment is what is done with a string.
type treatment int

const (
	asIs        treatment = iota // addresses in it are replaced
	asName                       // a name or an address
	asText                       // what a person wrote, which may hold names
	asQualified                  // a text that begins with an account: account/repository
	asBranch                     // a branch
	asLabel                      // account:branch
	asOnward                     // the way to the next page, whose token may hold an address
	asChanged                    // the value of a person's attribute, in an audit log
)

// accounts gathers the logins of people, and the default branches.
func (w *personWalk) accounts(v jsontape.Value) {
	switch v.Kind() {
	case jsontape.Object:
		group := isGroup(v)
		for name, m := range v.Members() {
			switch text := m.Str(); {
			case text == "":
			case !group && strings.EqualFold(name, "login") && !nobody(text):
				w.logins[strings.ToLower(text)] = true
			case name == "default_branch", name == "defaultBranch":
				w.p.KeepBranches(text)
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
		w.object(v, slot, how)
	case jsontape.Array:
		for e := range v.Elems() {
			w.walk(e, slot, how)
		}
	case jsontape.String:
		if old := v.Str(); old != "" {
			w.put(v.Offset(), len(v.Raw()), old, w.instead(old, slot, how))
		}
	default:
	}
}

// object goes through an object; a table of columns and rows is one whose
// members are named apart from their values.
func (w *personWalk) object(v jsontape.Value, slot string, how treatment) {
	o := surroundings{slot: slot, beside: map[string]bool{}, group: isGroup(v), how: how}
	for name := range v.Members() {
		o.beside[strings.ToLower(name)] = true
	}
	o.someone = !o.group && (personSlots[slot] || isPerson(v, o.beside))
	o.principal = strings.EqualFold(v.Get("principalType").Str(), "User")
	if o.attribute = attribute(v, o.beside); o.attribute != "" && how != asChanged {
		o.how = asIs
	}
	columns := v.Get("columns")
	for name, m := range v.Members() {
		low := strings.ToLower(name)
		w.key(name, m)
		switch {
		case low == "rows" && columns.Kind() == jsontape.Array && m.Kind() == jsontape.Array:
			w.table(columns, m)
		case low == "modifiedproperties" && strings.EqualFold(v.Get("type").Str(), "User"):
			w.walk(m, low, asChanged)
		default:
			w.walk(m, low, o.treat(low))
		}
	}
}

// table goes through rows whose members are named by columns.
func (w *personWalk) table(columns, rows jsontape.Value) {
	var names []string
	o := surroundings{beside: map[string]bool{}}
	for c := range columns.Elems() {
		names = append(names, strings.ToLower(c.Get("name").Str()))
		o.beside[names[len(names)-1]] = true
	}
	o.someone = o.beside["userprincipalname"]
	for row := range rows.Elems() {
		i := 0
		for cell := range row.Elems() {
			if i < len(names) {
				w.walk(cell, names[i], o.treat(names[i]))
			}
			i++
		}
	}
}

// surroundings are what decides about the members of an object.
type surroundings struct {
	slot           string          // the member that the object is
	beside         map[string]bool // its members, lower-case
	someone, group bool            // it is a person, or a group of them
	principal      bool            // it is about a person
	attribute      string          // what its value is of, where it is a pair of name and value
	how            treatment
}

// treat says what is done with a member.
func (o *surroundings) treat(low string) treatment {
	if o.attribute != "" && (low == "value" || low == "oldvalue" || low == "newvalue") {
		low = o.attribute
		if o.how == asChanged {
			return changed(low)
		}
	}
	if low == "$value" { // a property of an identity in Azure DevOps
		low = o.slot
		if low == "account" || low == "alias" {
			return asName
		}
	}
	marks, free := freeText[low]
	switch {
	case o.group && (low == "login" || low == "principalname"):
		return asIs // the questions about its repositories are asked by it
	case low == "caller" && o.beside["operations"] && o.beside["level"]:
		return asIs // whom a rule of PIM is for: EndUser, Admin
	case personalNames[low], o.someone && namedPeople[low], o.principal && low == "principaldisplayname":
		return asName
	case low == "user" && o.beside["_document_id"], o.slot == "tags" && ownerTag.MatchString(low): // GitHub's audit log; tags of resources
		return asName
	case o.slot == "claims" && claimNames[low[strings.LastIndexByte(low, '/')+1:]]:
		return asName
	case low == "identity" && (o.beside["userprincipalname"] || o.beside["initiatedby"] || o.beside["operationname"]): // tables and archives of logs
		return asName
	case free && (marks == nil || slices.ContainsFunc(marks, func(m string) bool { return o.beside[m] })):
		return asText
	case branchNames[low], low == "name" && o.slot == "refupdates", low == "ref" && (o.slot == "head" || o.slot == "base" || o.beside["sha"]):
		return asBranch
	case low == "label" && (o.slot == "head" || o.slot == "base"):
		return asLabel
	case low == "full_name":
		return asQualified
	case onward[low]:
		return asOnward
	case o.how == asChanged && o.attribute == "":
		return asChanged // of an attribute that has parts
	}
	return asIs
}

// instead returns what stands for a string.
func (w *personWalk) instead(old, slot string, how treatment) string {
	if strings.HasPrefix(old, jsontape.Marker) {
		return old
	}
	if how != asText && how != asOnward {
		if inner, ok := w.inner(old, slot, how); ok {
			return inner
		}
	}
	switch how {
	case asName:
		return w.p.replace(old)
	case asChanged:
		return w.p.attributeValue(old)
	case asText:
		return w.p.name("text-", old)
	case asBranch:
		return w.p.branch(old)
	case asLabel:
		account, name, ok := strings.Cut(old, ":")
		if !ok {
			return w.p.branch(old)
		}
		return w.account(account) + ":" + w.p.branch(name)
	case asQualified:
		if i := strings.IndexByte(old, '/'); i > 0 {
			return w.account(old[:i]) + old[i:]
		}
	case asOnward:
		return onwardOf(old)
	case asIs:
	}
	if slot == "displayname" {
		if owner, ok := strings.CutSuffix(old, "'s Environment"); ok { // how Power Platform names a developer's
			return w.p.replace(owner) + "'s Environment"
		}
	}
	if len(w.logins) > 0 && (strings.HasPrefix(old, "https://") || strings.HasPrefix(old, "http://")) {
		old = w.address(old)
	}
	if strings.HasPrefix(old, "/subscriptions/") || strings.HasPrefix(old, "/providers/") {
		return old // the id of a resource: the questions about what is below it are asked by it
	}
	return w.p.addresses(old)
}

// account replaces the login of a person.
func (w *personWalk) account(login string) string {
	if w.logins[strings.ToLower(login)] {
		return w.p.replace(login)
	}
	return login
}

// inner treats a text that is JSON itself, as logs have them in a column.
func (w *personWalk) inner(old, slot string, how treatment) (string, bool) {
	if w.deep > 3 || len(old) < 2 || !strings.ContainsRune(`{["`, rune(old[0])) || !json.Valid([]byte(old)) {
		return "", false
	}
	tape, err := jsontape.Parse([]byte(old), jsontape.Options{})
	if err != nil {
		return "", false
	}
	in := &personWalk{p: w.p, received: []byte(old), logins: w.logins, deep: w.deep + 1}
	in.walk(tape.Root(), slot, how)
	kept, _ := in.end()
	return string(kept), true
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

// key replaces an address in the name of a member: Azure DevOps lists access by
// the descriptor of an identity.
func (w *personWalk) key(name string, m jsontape.Value) {
	now := w.p.addresses(name)
	if now == name {
		return
	}
	end := bytes.LastIndexByte(w.received[:m.Offset()], '"')
	for start := end - 1; start >= w.at; start-- {
		if w.received[start] != '"' {
			continue
		}
		slashes := 0
		for start-slashes > 0 && w.received[start-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			w.put(start, end+1-start, name, now)
			return
		}
	}
}

// put writes what stands for a string.
func (w *personWalk) put(off, size int, old, name string) {
	if name == old {
		return
	}
	text, err := json.Marshal(name)
	if err != nil {
		return // a string always has a form
	}
	w.out.Write(w.received[w.at:off])
	w.out.Write(text)
	w.at = off + size
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
