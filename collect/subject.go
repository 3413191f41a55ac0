// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// ref is a row of a page: a subject that has not been read again yet. Without
// a page it is the root, or from 1 a subject of the configuration.
type ref struct {
	page *pageRec
	item int
}

// loader reads subjects back from the spool. It is for one goroutine.
type loader struct {
	r      *runner
	parser jsontape.Parser
	reader reader // of pages that an earlier run has read
	last   ref    // the subject above the last one, which neighbours share
	above  *Subject
}

// subject reads a row, and those above it.
func (l *loader) subject(a *sourceRun, at ref) (*Subject, error) {
	if at.page == nil {
		if at.item > 0 {
			return a.listed[at.item-1], nil
		}
		return a.root, nil
	}
	it := at.page.items[at.item]
	b, err := l.r.spool.read(at.page.Off+int64(it.Off), it.Len)
	if err != nil {
		return nil, err
	}
	tape, err := l.parser.Parse(b)
	if err != nil {
		return nil, err
	}
	u := at.page.unit
	s := subjectOf(u.ask.ask, tape.Root())
	if (u.at.page != nil || u.at.item > 0) && u.batch == nil {
		if l.above == nil || u.at.page == nil || l.last != u.at { // lists of the configuration are each source's own
			up, err := (&loader{r: l.r}).subject(a, u.at)
			if err != nil {
				return nil, err
			}
			l.above, l.last = up, u.at
		}
		s.Of = l.above
	}
	return s, nil
}

// subjectOf is what a row is, without what is above it.
func subjectOf(a *Ask, row jsontape.Value) *Subject {
	s := &Subject{Type: a.Entity, Item: row}
	if id, ok := identity(a, row); ok {
		s.ID = id
	} else {
		s.ID, _ = scalar(row.Get("id"))
	}
	if s.Type == "" {
		s.Type = strings.Clone(row.Get("type").Str())
	}
	if s.Type == "" {
		s.Type = typeOfID(s.ID)
	}
	s.Name = strings.Clone(row.Get("name").Str())
	if s.Name == "" {
		s.Name = s.ID[strings.LastIndexByte(s.ID, '/')+1:]
	}
	return s
}

// identified reports whether rows have a member that tells them apart.
func identified(a *Ask) bool { return a.Identity != "#" && a.Identity != "-" }

// identity is the text that tells a row apart; not ok where the row lacks it.
func identity(a *Ask, row jsontape.Value) (string, bool) {
	switch a.Identity {
	case "#", "-":
		return "", false
	case "":
		return scalar(row.Get("id"))
	}
	if !strings.Contains(a.Identity, ",") {
		return scalar(member(row, a.Identity))
	}
	var parts []string
	for m := range strings.SplitSeq(a.Identity, ",") {
		s, ok := scalar(member(row, m))
		if !ok {
			return "", false
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "+"), true
}

// typeOfID reads the type out of a resource's id.
func typeOfID(id string) string {
	seg := strings.Split(strings.Trim(id, "/"), "/")
	at := -1
	for i, s := range seg {
		if strings.EqualFold(s, "providers") {
			at = i
		}
	}
	if at < 0 {
		switch {
		case len(seg) == 2 && strings.EqualFold(seg[0], "subscriptions"):
			return "Microsoft.Resources/subscriptions"
		case len(seg) == 4 && strings.EqualFold(seg[2], "resourceGroups"):
			return "Microsoft.Resources/subscriptions/resourceGroups"
		}
		return ""
	}
	if at+2 >= len(seg) {
		return ""
	}
	typ := []string{seg[at+1]}
	for i := at + 2; i < len(seg); i += 2 {
		typ = append(typ, seg[i])
	}
	return strings.Join(typ, "/")
}

func scalar(v jsontape.Value) (string, bool) {
	switch v.Kind() {
	case jsontape.String:
		return strings.Clone(v.Str()), v.Str() != ""
	case jsontape.Number:
		return strings.Clone(v.NumberText()), true
	}
	return "", false
}

// foldID makes ids of ARM resources, which are compared without case, equal.
func foldID(id string) string {
	if strings.HasPrefix(id, "/") {
		return strings.ToLower(id)
	}
	return id
}

// chainOf is the text by which a subject is the same in each run: its id, and
// where that is not a path, the ids above it.
func chainOf(s *Subject) string {
	id := foldID(s.ID)
	if s.Of == nil || strings.HasPrefix(id, "/") {
		return id
	}
	return chainOf(s.Of) + "\x00" + id
}

func keyOf(source, ask string, chains []string) key {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s", source, ask)
	for _, c := range chains {
		fmt.Fprintf(h, "\x00\x00%d\x00%s", len(c), c)
	}
	return key(h.Sum(nil)[:len(key{})])
}

// enumerate lists the units of an ask whose lists of subjects are read.
func (r *runner) enumerate(a *askRun) error {
	if a.skip != nil {
		return nil
	}
	if why := r.unlicensed(a); why != "" {
		a.skip = &ending{Reason: tickmark.ReasonNoLicence, Detail: why}
		return nil
	}
	if why := r.retain(a); why != "" {
		a.skip = &ending{Reason: tickmark.ReasonNotCollected, Detail: why}
		return nil
	}
	l := &loader{r: r}
	if a.ask.isRoot() {
		if a.ask.Where == nil || a.ask.Where(a.src.root) {
			return r.admit(a, l, []ref{{}}, []*Subject{a.src.root})
		}
		return nil
	}
	if configured(a.ask.Of[0]) {
		return r.configured(a, l)
	}
	seen := map[key]bool{}
	done := errors.New("one is enough")
	var refs []ref
	var subjects []*Subject
	flush := func() error {
		if len(refs) == 0 {
			return nil
		}
		err := r.admit(a, l, refs, subjects)
		refs, subjects = nil, nil
		return err
	}
	err := r.eachRow(a, func(at ref) error {
		s, err := l.subject(a.src, at)
		if err != nil {
			return fmt.Errorf("a row that was read before cannot be read again: %w", err)
		}
		if a.ask.Where != nil && !a.ask.Where(s) {
			return nil
		}
		k := keyOf("", "", []string{chainOf(s)})
		if seen[k] && s.ID != "" {
			return nil // two asks list it
		}
		seen[k] = true
		scope := a.src.scopeOf(s)
		if x := r.excluded(scope); x != nil {
			a.leaveOut(scope, x)
			return nil
		}
		refs, subjects = append(refs, at), append(subjects, s)
		if len(refs) >= max(1, a.ask.Batch) {
			if err := flush(); err != nil || !r.probe {
				return err
			}
			return done
		}
		return nil
	})
	if err != nil && !errors.Is(err, done) {
		return err
	}
	return flush()
}

// configured lists the subjects that the configuration names.
func (r *runner) configured(a *askRun, l *loader) error {
	for i, s := range a.src.listed {
		if s.Type != a.ask.Of[0] || a.ask.Where != nil && !a.ask.Where(s) {
			continue
		}
		scope := a.src.scopeOf(s)
		if x := r.excluded(scope); x != nil {
			a.leaveOut(scope, x)
			continue
		}
		if err := r.admit(a, l, []ref{{item: i + 1}}, []*Subject{s}); err != nil {
			return err
		}
	}
	return nil
}

// eachRow gives the rows of the types that the ask is of, in the order of
// asks, subjects and pages, whatever order they were read in.
func (r *runner) eachRow(a *askRun, do func(ref) error) error {
	var want []uint16
	for _, t := range a.ask.Of {
		want = append(want, a.src.kinds[strings.ToLower(t)])
	}
	for _, d := range a.deps {
		for _, u := range d.units {
			for _, p := range u.pages {
				for i, k := range p.kinds {
					if k != 0 && slices.Contains(want, k) {
						if err := do(ref{p, i}); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return nil
}

// admit makes the unit of a subject or batch, and gives it the pages that an
// earlier run has read.
func (r *runner) admit(a *askRun, l *loader, refs []ref, subjects []*Subject) error {
	chains := make([]string, len(subjects))
	u := &unit{ask: a, at: refs[0], declared: -1, id: subjects[0].ID, path: subjects[0].path(), scope: a.src.scopeOf(subjects[0])}
	for i, s := range subjects {
		chains[i] = chainOf(s)
		if r := a.src.scopeOf(s); r != u.scope {
			u.scope = ""
		}
	}
	if a.ask.Batch > 0 {
		u.batch, u.id, u.path, u.scope = refs, "", "", "" // a batch is of the tenant
		for _, s := range subjects {
			u.ids = append(u.ids, s.ID)
		}
	}
	u.key = keyOf(a.src.src.Name, a.ask.Name, chains)
	if a.ask.Count != "" {
		u.counts = []key{keyOf(a.src.src.Name, a.ask.Count, chains), keyOf(a.src.src.Name, a.ask.Count, []string{""})}
	}
	if a.ask.Proof != "" {
		root := keyOf(a.src.src.Name, a.ask.Proof, []string{chainOf(a.src.root)})
		for _, of := range subjects[:max(1, len(u.batch))] {
			var near []key
			for s := of; s != nil; s = s.Of {
				near = append(near, keyOf(a.src.src.Name, a.ask.Proof, []string{chainOf(s)}))
			}
			u.proofs = append(u.proofs, append(near, root))
		}
	}
	a.units = append(a.units, u)
	to, err := r.address(a, &values{subject: subjects[0], root: a.src.root, batch: subjects, from: "0", to: "0"})
	if err != nil {
		u.end = refuse(err)
		return nil
	}
	u.pace = paceKey(r.quota(a.ask.Pace), to.Host, to.Path)
	return r.adopt(u, l)
}

func refuse(err error) *ending {
	e := &ending{Reason: tickmark.ReasonNotCollected, Detail: err.Error()}
	var f *fault
	var m *absent
	switch {
	case errors.As(err, &m):
		e.Reason, e.Detail = m.reason, "the request cannot be made: "+m.Error()
	case errors.As(err, &f):
		e.Reason = f.reason
	}
	return e
}

// address expands the path and query of an ask.
func (r *runner) address(a *askRun, v *values) (*url.URL, error) {
	path, err := a.path.expand(inPath, v)
	if err != nil {
		return nil, err
	}
	query, err := a.query.expand(inQuery, v)
	if err != nil {
		return nil, err
	}
	if n := a.ask.APIVersion; n != "" && a.ask.Host != HostGitHub && !strings.Contains(query, "api-version=") {
		if query != "" {
			query += "&"
		}
		query += "api-version=" + url.QueryEscape(n)
	}
	full := path
	if !strings.HasPrefix(path, "https://") {
		base := r.opts.Endpoints.URL[a.ask.Host]
		if base == "" || strings.HasPrefix(base, ".") {
			return nil, &fault{reason: tickmark.ReasonNotCollected, what: fmt.Sprintf("host %q has no base address for %s", a.ask.Host, path)}
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		full = strings.TrimRight(base, "/") + path
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, &fault{reason: tickmark.ReasonUnparsable, what: "the address is broken: " + clip(err.Error())}
	}
	u.RawQuery = query
	if err := r.net.pin(a.ask.Host, u); err != nil {
		return nil, &fault{reason: tickmark.ReasonNotCollected, what: err.Error()}
	}
	return u, nil
}

// excluded says whether and why a scope is left out.
func (r *runner) excluded(scope string) *Exclusion {
	if scope == "" {
		return nil
	}
	low := strings.ToLower(scope)
	under := func(s string) bool {
		s = strings.ToLower(strings.TrimRight(s, "/"))
		return s != "" && (low == s || strings.HasPrefix(low, s+"/"))
	}
	for i := range r.exclusions {
		if under(r.exclusions[i].Scope) {
			return &r.exclusions[i]
		}
	}
	if len(r.opts.Scopes) > 0 && !slices.ContainsFunc(r.opts.Scopes, under) {
		return &Exclusion{Scope: scope, Reason: tickmark.ReasonNotNamed, Detail: "it is not among the scopes that were asked for"}
	}
	return nil
}

// path joins the ids of a subject and of those above it, because ids such as
// the number of a pull request are unique only below their own subject. An id
// that is absolute, as those of Azure Resource Manager, needs nothing above.
func (s *Subject) path() string {
	path := ""
	for ; s != nil && s.Type != Root; s = s.Of {
		switch {
		case s.ID == "":
		case path == "":
			path = s.ID
		default:
			path = strings.TrimRight(s.ID, "/") + "/" + path
		}
		if strings.HasPrefix(s.ID, "/") {
			break
		}
	}
	return path
}
