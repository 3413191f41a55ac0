// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tickmark/tickmark/jsontape"
)

var (
	// claimNames are the claims of a token that name a person, of which the log
	// of activities shows some by the last word of an address.
	claimNames = map[string]bool{
		"name": true, "upn": true, "unique_name": true, "preferred_username": true, "given_name": true, "givenname": true, "family_name": true, "surname": true,
		"emailaddress": true, "email": true, "ipaddr": true,
	}
	// ownerTag are the names of tags that hold who answers for a resource.
	ownerTag = regexp.MustCompile(`owner|contact|created_?-?by|responsible|requestor|requester|approver|manager|author|e-?mail`)
	// branchNames are the members that hold a branch; ref and name do in some
	// places only.
	branchNames = map[string]bool{
		"sourcerefname": true, "targetrefname": true, "refname": true, "sourcebranch": true, "targetbranch": true, "head_branch": true, "pr.sourcebranch": true, "ci.sourcebranch": true,
		"system.pullrequest.sourcebranch": true, "system.pullrequest.targetbranch": true,
	}
	// onward are the members that lead to the next page. What is asked is read
	// from the answer as it was received.
	onward = map[string]bool{
		"nextlink": true, "@odata.nextlink": true, "odata.nextlink": true, "$skiptoken": true, "continuationtoken": true, "@odata.deltalink": true,
	}
	// branchWords are parts of branches' names that name nobody.
	branchWords = map[string]bool{
		"main": true, "master": true, "trunk": true, "mainline": true, "develop": true, "development": true, "dev": true, "default": true, "head": true,
		"test": true, "testing": true, "qa": true, "uat": true, "int": true, "staging": true, "stage": true, "preprod": true, "prod": true, "production": true, "live": true, "stable": true, "next": true,
		"release": true, "releases": true, "rel": true, "hotfix": true, "hotfixes": true, "feature": true, "features": true, "bugfix": true, "fix": true, "support": true,
		"users": true, "user": true, "topic": true, "gh-pages": true, "dependabot": true, "renovate": true,
	}
	versions = regexp.MustCompile(`^(?i)(v|rel|release|hotfix|sprint|m)?[-_.]?[0-9][0-9._-]*((alpha|beta|rc|x)[0-9.]*)?$`)

	// written finds addresses in texts and in addresses of pages.
	written = regexp.MustCompile(`(?i)[\p{L}\p{N}_#][\p{L}\p{N}._+'#!~-]*(@|%40)[\p{L}\p{N}][\p{L}\p{N}-]*(\.[\p{L}\p{N}-]+)*\.\p{L}{2,}`)
	// replacedAlready is what Pseudonyms makes of a value.
	replacedAlready = regexp.MustCompile(`^(person-[0-9a-f]{16}((?i:#EXT#)?@domain-[0-9a-f]{16}\.invalid)?|text-[0-9a-f]{16})$`)
	// plain are values that name nobody: numbers, instants, ids, yes and no.
	plain = regexp.MustCompile(`^(?i)(true|false|null|[-0-9.:TZ+]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
)

// attributesOfPeople are the attributes in the directory's audit log that name
// a person; namesNobody are those that do not. What is in neither and belongs
// to a person is replaced as a text.
var (
	attributesOfPeople = map[string]bool{
		"displayname": true, "othermail": true, "sipproxyaddress": true, "mobile": true, "facsimiletelephonenumber": true, "commonname": true,
	}
	namesNobody = regexp.MustCompile(`^(included updated properties|accountenabled|usertype|creationtype|userstate.*|assignedlicense|assignedplan|usagelocation|actionclientname|method|passwordprofile|passwordpolicies|strongauthenticationmethod|strongauthenticationrequirement|lastdirsynctime|dirsyncenabled|stsrefreshtokensvalidfrom|preferreddatalocation|department|jobtitle|title|companyname|physicaldeliveryofficename|country|targetid\..*|group\..*|role\..*|approle\..*|serviceprincipal\..*|actorid\..*|spn|.*objectid|.*wellknownobjectname)$`)
)

// attribute returns whose value a pair of name and value holds, lower-case;
// empty where the object is no such pair.
func attribute(v jsontape.Value, beside map[string]bool) string {
	switch {
	case beside["oldvalue"] && beside["newvalue"]:
		return strings.ToLower(v.Get("displayName").Str())
	case len(beside) == 2 && beside["value"] && beside["key"]:
		return strings.ToLower(v.Get("key").Str())
	}
	return ""
}

// changed says what is done with an attribute of a person.
func changed(attribute string) treatment {
	switch {
	case personalNames[attribute], attributesOfPeople[attribute]:
		return asName
	case namesNobody.MatchString(attribute):
		return asIs
	}
	return asChanged
}

// attributeValue replaces the value of an attribute that nothing is known of.
func (p *Pseudonyms) attributeValue(old string) string {
	if plain.MatchString(old) || replacedAlready.MatchString(old) {
		return old
	}
	return p.name("text-", old)
}

// nobody reports whether an account is no person's: one of GitHub's own or of
// an app. Who merged on the site and who deployed is told apart by them.
func nobody(account string) bool {
	return strings.HasSuffix(account, "[bot]") || slices.Contains([]string{"web-flow", "noreply@github.com", "ghost"}, strings.ToLower(account))
}

// branch replaces the parts of a branch's name that are no common words.
func (p *Pseudonyms) branch(old string) string {
	name, full := strings.CutPrefix(old, "refs/heads/")
	if !full && strings.HasPrefix(name, "refs/") {
		return p.addresses(old) // a merge of a pull request, a tag
	}
	p.mu.Lock()
	kept := p.kept[strings.ToLower(name)]
	p.mu.Unlock()
	if kept {
		return old
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		if !commonBranch(part) {
			parts[i] = p.name("branch-", part)
		}
	}
	return old[:len(old)-len(name)] + strings.Join(parts, "/")
}

// commonBranch reports whether a part of a branch's name names nobody; a
// pattern is one that rules have.
func commonBranch(part string) bool {
	return part == "" || branchWords[strings.ToLower(part)] || versions.MatchString(part) || strings.ContainsAny(part, "*~") || strings.HasPrefix(part, "branch-") && len(part) == 23
}

// onwardOf keeps of the way to the next page that there is one: its token may
// hold the address of the last person on the page.
func onwardOf(old string) string {
	if at := strings.IndexByte(old, '?'); strings.HasPrefix(old, "https://") && at > 0 {
		return old[:at] + "?next=redacted"
	} else if strings.HasPrefix(old, "https://") {
		return old
	}
	return "redacted"
}

// addresses replaces the mail addresses and sign-in names in a text, those in
// Base64 too.
func (p *Pseudonyms) addresses(old string) string {
	if strings.Contains(old, "@") || strings.Contains(old, "%40") {
		old = p.inWords(old)
	}
	if len(old) >= 16 {
		old = p.inBase64(old)
	}
	return old
}

func (p *Pseudonyms) inWords(old string) string {
	found := written.FindAllStringSubmatchIndex(old, -1)
	if found == nil {
		return old
	}
	var out strings.Builder
	at := 0
	for _, f := range found {
		local, domain := old[f[0]:f[2]], old[f[3]:f[1]]
		low := strings.ToLower(domain)
		switch {
		case strings.HasPrefix(low, "odata."), strings.HasPrefix(low, "microsoft.dynamics."), strings.HasPrefix(low, "microsoft.graph."):
			continue // annotations
		case local == "git", low == "dev.azure.com" && strings.HasSuffix(old[:f[0]], "://"):
			continue // addresses of repositories
		case strings.HasPrefix(low, "domain-") && strings.HasSuffix(low, ".invalid"):
			continue // replaced already
		}
		out.WriteString(old[at:f[0]])
		now := p.replace(local + "@" + domain)
		if sign := old[f[2]:f[3]]; sign != "@" {
			now = strings.ReplaceAll(now, "@", sign)
		}
		out.WriteString(now)
		at = f[1]
	}
	return out.String() + old[at:]
}

// inBase64 replaces addresses in the parts of a text that are Base64, such as
// the descriptor of an invitation in Azure DevOps (bnd.…).
func (p *Pseudonyms) inBase64(old string) string {
	letter := func(c byte) bool {
		return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '_'
	}
	var out strings.Builder
	at := 0
	for i := 0; i < len(old); {
		if !letter(old[i]) {
			i++
			continue
		}
		end := i
		for end < len(old) && letter(old[end]) {
			end++
		}
		for end < len(old) && old[end] == '=' && end-i < 1<<16 {
			end++
		}
		if word := old[i:end]; len(word) >= 16 {
			if now, ok := p.decoded(word); ok {
				out.WriteString(old[at:i] + now)
				at = end
			}
		}
		i = end
	}
	if at == 0 {
		return old
	}
	return out.String() + old[at:]
}

// decoded replaces the addresses in a word that is Base64.
func (p *Pseudonyms) decoded(word string) (string, bool) {
	enc := base64.RawStdEncoding
	if strings.ContainsAny(word, "-_") {
		enc = base64.RawURLEncoding
	}
	if first, err := enc.DecodeString(word[:8]); err != nil || !readable(first) {
		return "", false
	}
	trimmed := strings.TrimRight(word, "=")
	b, err := enc.DecodeString(trimmed)
	if err != nil || !readable(b) || !strings.Contains(string(b), "@") {
		return "", false
	}
	now := p.inWords(string(b))
	if now == string(b) {
		return "", false
	}
	if len(trimmed) < len(word) {
		return enc.WithPadding('=').EncodeToString([]byte(now)), true
	}
	return enc.EncodeToString([]byte(now)), true
}

// readable reports whether bytes are text: its first bytes may end inside of a
// letter.
func readable(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && utf8.FullRune(b) || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r != utf8.RuneError && r >= 0x80 && !unicode.IsPrint(r) {
			return false
		}
		b = b[size:]
	}
	return true
}
