// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
)

// views are the detail views; those that are true take an argument.
var views = []struct {
	name     string
	argument bool
}{
	{"check", true}, {"criterion", true}, {"resource", true}, {"types", false}, {"coverage", false}, {"problems", false}, {"unknown", false}, {"not-read", false},
}

func (p *printer) show(a *check.Assessment, view string) error {
	view = strings.TrimSpace(view)
	name, argument := view, ""
	if i := strings.IndexAny(view, " =:"); i >= 0 {
		name, argument = view[:i], strings.TrimSpace(view[i+1:])
	}
	i := slices.IndexFunc(views, func(v struct {
		name     string
		argument bool
	},
	) bool {
		return v.name == name
	})
	switch {
	case i < 0:
		return usage("--show "+visible(name)+": no such view", "want check ID, criterion CODE, resource ID, types, coverage, problems, unknown or not-read")
	case views[i].argument && argument == "":
		return usage("--show "+name+": which one?", "add the id: --show "+name+" ID")
	case !views[i].argument && argument != "":
		return usage("--show "+name+": takes no argument", "leave out "+visible(argument))
	}
	switch name {
	case "check":
		return p.showCheck(a, argument)
	case "criterion":
		return p.showCriterion(a, argument)
	case "resource":
		return p.showResource(a, argument)
	case "types":
		p.showTypes(a)
	case "coverage":
		p.showCoverage(a.Coverage)
	case "problems":
		p.showProblems(a)
	case "unknown":
		p.showUnknown(a)
	case "not-read":
		p.showNotRead(a)
	}
	return nil
}

func usage(what, hint string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, What: what, Hint: hint}
}

// near suggests up to five of the ids that contain, or share a beginning with, id.
func near(ids iter.Seq[string], id string) string {
	var contain, begin []string
	low := strings.ToLower(id)
	for s := range ids {
		l := strings.ToLower(s)
		switch {
		case strings.Contains(l, low):
			contain = append(contain, visible(s))
		case len(low) >= 3 && strings.HasPrefix(l, low[:3]):
			begin = append(begin, visible(s))
		}
	}
	all := slices.Concat(contain, begin)
	if len(all) == 0 {
		return ""
	}
	if len(all) > 5 {
		all = append(all[:5], "…")
	}
	return "near: " + strings.Join(all, ", ")
}

func (p *printer) showCheck(a *check.Assessment, id string) error {
	i := slices.IndexFunc(a.Checks, func(s check.Summary) bool { return strings.EqualFold(s.Check.ID, id) })
	if i < 0 {
		if err := leftOutHere(a.Scope, "check", id); err != nil {
			return err
		}
		hint := near(func(yield func(string) bool) {
			for _, s := range a.Checks {
				if !yield(s.Check.ID) {
					return
				}
			}
		}, id)
		return usage("--show check "+visible(id)+": no such check", cmp.Or(hint, "tickmark checks list names them"))
	}
	s := a.Checks[i]
	c := s.Check
	sg := stateSign(s.State)
	p.line("", sg.span("%s %s", sg.mark, sg.word), strong("  %s", c.ID), quiet("  %s · %s", c.Severity, c.Area))
	p.wrap(0, c.Title)
	p.line("")
	p.fact("why", c.Why)
	p.fact("criteria", linkText(c.Criteria))
	p.fact("types", strings.Join(c.Types, ", "))
	p.fact("looks up", strings.Join(c.Needs, ", "))
	p.fact("permission", c.Permission)
	p.fact("not proven", c.NotProven)
	p.fact("override", c.Override.String())
	p.fact("witness", witnessText(c.Witness))
	p.fact("fix (cli)", c.Remediation.CLI)
	p.code("fix (bicep)", c.Remediation.Bicep)
	p.fact("no bicep", c.WithoutBicep())
	p.fact("fix (portal)", c.Remediation.Portal)
	p.fact("references", strings.Join(c.References, " "))
	if c.Retired != nil {
		p.fact("retired", c.Retired.On+": "+c.Retired.Note)
	}
	p.line("")
	if s.Counts.Total() > 0 {
		p.bar("results", s.Counts.Total(), verdictShares(s.Counts))
	} else {
		p.wrap(0, stateSign(s.State).mark+" "+nothingMet(s))
	}
	if s.Cut != tickmark.ReasonNone && s.Counts.Pass > 0 {
		p.wrap(0, "? everything that was read passes, but resources of these types are known to be missing: "+s.Cut.Text())
	}
	p.results(a, i)
	return p.err
}

// results lists the results of one check by verdict, up to the limit each.
func (p *printer) results(a *check.Assessment, index int) {
	if a.Results == nil {
		return
	}
	for _, v := range verdictOrder {
		n := countOf(a.Checks[index].Counts, v)
		if n == 0 {
			continue
		}
		p.line("")
		p.line("", verdictSign(v).span("%s %s %s", verdictSign(v).mark, number(n), verdictSign(v).word))
		shown := 0
		for r := range a.Results.Select(func(c int, w tickmark.Verdict) bool { return c == index && w == v }) {
			if p.limit >= 0 && shown == p.limit {
				break
			}
			shown++
			called := clip(visible(r.Name), p.width/3)
			if called != "" {
				called = "  " + called
			}
			p.line("  "+middle(visible(r.Resource), p.width-2-columns(called)), quiet("%s", called))
			p.why(4, r)
		}
		if left := rest(a.Checks[index].Counts, v, shown); left > 0 {
			p.line("", quiet("  and %s more: --json, --csv or --html hold them", number(left)))
		}
		if p.err != nil {
			return
		}
	}
}

// why explains one result after indent blanks.
func (p *printer) why(indent int, r tickmark.Result) {
	gap := strings.Repeat(" ", indent)
	if r.Reason != tickmark.ReasonNone {
		p.line("", signOf("unknown").span("%s%s", gap, r.Reason), plain(": %s", r.Reason.Text()))
	}
	if r.Reason == tickmark.ReasonNone || strings.Trim(strings.TrimPrefix(r.Why.Message, "unknown: "), ".") != r.Reason.Text() {
		p.wrap(indent, r.Why.Message)
	}
	if r.Why.Field != "" || r.Why.Path != "" {
		p.wrap(indent, cmp.Or(r.Why.Path, r.Why.Field)+": found "+cmp.Or(r.Why.Found, "nothing")+", wanted "+cmp.Or(r.Why.Wanted, "not stated"))
	}
	if r.Why.Related != "" {
		p.wrap(indent, "related: "+r.Why.Related)
	}
	if r.Why.NearMiss != "" {
		p.wrap(indent, "near miss: "+r.Why.NearMiss)
	}
}

// fact writes a name in the first columns and its text, wrapped, beside it.
// Lines of the text stay lines.
func (p *printer) fact(name, text string) {
	const indent = 14
	for text := range strings.Lines(text) {
		for _, l := range wrapped(visible(strings.TrimSpace(text)), p.width-indent) {
			p.line("", quiet("%s", pad(name, indent)), plain("%s", l))
			name = ""
		}
	}
}

// code is a fact whose lines keep their indentation.
func (p *printer) code(name, text string) {
	const indent = 14
	for l := range strings.Lines(text) {
		text := strings.TrimLeft(l, " ")
		lead := len(l) - len(text)
		for _, part := range wrapped(visible(strings.TrimSpace(text)), p.width-indent-lead) {
			p.line("", quiet("%s", pad(name, indent)), plain("%*s%s", lead, "", part))
			name = ""
		}
	}
}

func (p *printer) showCriterion(a *check.Assessment, code string) error {
	i := slices.IndexFunc(a.Criteria, func(c check.CriterionSummary) bool { return strings.EqualFold(c.Criterion.Code, code) })
	if i < 0 {
		if err := leftOutHere(a.Scope, "criterion", code); err != nil {
			return err
		}
		return usage("--show criterion "+visible(code)+": no such criterion",
			"criteria are written like CC6.1, A1.2, PI1.3, C1.1 and P6.4")
	}
	c := a.Criteria[i]
	sg := stateSign(c.State)
	p.line("", sg.span("%s %s", sg.mark, sg.word), strong("  %s", c.Criterion.Code), plain("  %s", c.Criterion.Title))
	p.fact("category", c.Criterion.Category)
	p.fact("automation", automationText(c.Automation))
	p.fact("people", "evidence of people is needed as well; no check replaces it")
	p.line("")
	if len(c.Checks) == 0 {
		p.line("", stateSign(check.StateManual).span("✎ no check bears on this criterion"))
		return p.err
	}
	p.bar("checks", len(c.Checks), criterionShares(c))
	p.line("")
	linked := &check.Assessment{Checks: make([]check.Summary, len(c.Checks))}
	for k, n := range c.Checks {
		linked.Checks[k] = a.Checks[n]
	}
	var list []check.Summary
	for _, state := range stateOrder {
		for _, k := range worstChecks(linked, state) {
			list = append(list, linked.Checks[k])
		}
	}
	p.checkLines(list, func(s check.Summary) string {
		var counts []string
		for _, sh := range verdictShares(s.Counts) {
			counts = append(counts, sh.sign.mark+number(sh.count))
		}
		return strings.Join(counts, " ")
	})
	return p.err
}

// showResource shows every result of the resource whose id, or last segment of
// the id, is given. Several resources may share a name: each is shown.
func (p *printer) showResource(a *check.Assessment, id string) error {
	if a.Results == nil {
		return usage("--show resource "+visible(id)+": no result at all", "give files to assess")
	}
	full := strings.Contains(id, "/")
	found := map[string][]tickmark.Result{}
	var order []string
	for r := range a.Results.All() {
		if strings.EqualFold(r.Resource, id) || !full && strings.EqualFold(shortName(r.Resource), id) {
			if found[r.Resource] == nil {
				order = append(order, r.Resource)
			}
			found[r.Resource] = append(found[r.Resource], r)
		}
	}
	if len(order) == 0 {
		return usage("--show resource "+visible(id)+": no check judged such a resource",
			"give the whole id or its last segment; --show types says what was read")
	}
	slices.Sort(order)
	severity := map[string]tickmark.Severity{}
	title := map[string]string{}
	for _, s := range a.Checks {
		severity[s.Check.ID], title[s.Check.ID] = s.Check.Severity, s.Check.Title
	}
	for n, name := range order {
		if p.limit >= 0 && n == p.limit {
			p.line("", quiet("%s more resources have this name; give the whole id", number(len(order)-n)))
			break
		}
		if n > 0 {
			p.line("")
		}
		p.wrap(0, name)
		if called := found[name][0].Name; called != "" {
			p.wrap(0, called)
		}
		p.line("", quiet("%s", found[name][0].Type))
		for _, v := range verdictOrder {
			for _, r := range found[name] {
				if r.Verdict == v {
					sg := verdictSign(v)
					p.line("", sg.span("%s %s", sg.mark, pad(sg.word, 15)), plain("%s", pad(severity[r.Check].String(), 9)), strong("%s", r.Check))
					p.wrap(4, title[r.Check])
					p.why(4, r)
				}
			}
		}
	}
	return p.err
}

func (p *printer) showTypes(a *check.Assessment) {
	if len(a.Types) == 0 {
		p.line("nothing was read; give files, folders, or - for standard input")
		return
	}
	p.reconcile(a.Population)
	p.line("", strong("%9s  %s", "resources", "type"))
	unjudged := 0
	for _, t := range a.Types {
		note := typeNote(t)
		if t.Checks == 0 {
			unjudged++
		}
		room := max(20, p.width-11-2-columns(note))
		p.line("", plain("%9s  %s", number(t.Resources), middle(visible(t.Type), room)), quiet("  %s", note))
	}
	if unjudged > 0 {
		p.line("")
		p.wrap(0, plural(unjudged, "type is", "types are")+" judged by no check: counted, and neither pass nor fail.")
	}
}

// reconcile accounts for the difference between the objects read and the
// resources judged, so that no number stands unexplained.
func (p *printer) reconcile(n check.Population) {
	for _, line := range reconciled(n) {
		p.wrap(0, line)
	}
	if n.Items > 0 {
		p.line("")
	}
}

// reconciled says how objects and resources add up, in sentences.
func reconciled(n check.Population) []string {
	if n.Items == 0 {
		return nil
	}
	own := n.Resources - n.Nested - n.Implied
	return []string{
		fmt.Sprintf("%s in the inputs = %s by themselves + %s a resource + %s unread.", plural(n.Items, "object", "objects"),
			plural(own, "resource", "resources"), plural(n.Duplicates, "that repeats", "that repeat"), number(n.Unread)),
		fmt.Sprintf("%s = %s by themselves + %s inside a parent + %s only named by others.", plural(n.Resources, "resource", "resources"),
			number(own), number(n.Nested), number(n.Implied)),
		fmt.Sprintf("%s came without properties (summaries); %s also came whole, %s still without. %s read with different content.",
			plural(n.Summaries, "object", "objects"), number(max(0, n.Summaries-n.Unseen)), number(n.Unseen), plural(n.Conflicting, "resource was", "resources were")),
	}
}

// typeNote says what there is to know of a type beside the number of its resources.
func typeNote(t check.TypeCount) string {
	var out []string
	switch {
	case !t.Known:
		out = append(out, "type not known")
	case t.Checks == 0:
		out = append(out, "no check")
	default:
		out = append(out, plural(t.Checks, "check", "checks"))
	}
	for _, n := range []struct {
		count     int
		one, many string
	}{{t.Summaries, "summary", "summaries"}, {t.Partial, "partial", "partial"}, {t.Nested, "nested", "nested"}, {t.Implied, "implied", "implied"}} {
		if n.count > 0 {
			out = append(out, plural(n.count, n.one, n.many))
		}
	}
	return strings.Join(out, ", ")
}

func (p *printer) showProblems(a *check.Assessment) {
	incomplete := slices.DeleteFunc(slices.Clone(a.Coverage), func(c tickmark.Coverage) bool { return c.Missing == tickmark.ReasonNone })
	if len(a.Problems) == 0 && len(incomplete) == 0 {
		p.line("no problem was met, and no input is known to be incomplete")
		return
	}
	incomplete = slices.DeleteFunc(incomplete, func(c tickmark.Coverage) bool { // its problem says it, and what to do
		return slices.ContainsFunc(a.Problems, func(b tickmark.Problem) bool {
			return c.Detail != "" && b.What == c.Detail && strings.HasPrefix(b.Input, c.Scope)
		})
	})
	for n, b := range a.Problems {
		if p.limit >= 0 && n == p.limit {
			p.line("", quiet("and %s more problems: --json holds them", number(len(a.Problems)-n)))
			break
		}
		p.line("", signOf("unknown").span("? "), strong("%s", place(b)), plain("  %s", b.Object))
		p.wrap(4, b.What)
		p.wrap(4, arrowed(cmp.Or(b.Hint, nextStep(b.Reason))))
	}
	for n, c := range incomplete {
		if p.limit >= 0 && n == p.limit {
			p.line("", quiet("and %s more incomplete inputs: --json holds them", number(len(incomplete)-n)))
			break
		}
		p.line("", signOf("unknown").span("? "), strong("%s", c.Scope), plain("  incomplete: %s", c.Missing.Text()))
		p.wrap(4, c.Detail)
		p.wrap(4, arrowed(nextStep(c.Missing)))
	}
}

// place says where a problem lies: input:line:column, or the byte.
func place(b tickmark.Problem) string {
	switch {
	case b.Line > 0 && b.Col > 0:
		return fmt.Sprintf("%s:%d:%d", b.Input, b.Line, b.Col)
	case b.Line > 0:
		return fmt.Sprintf("%s:%d", b.Input, b.Line)
	case b.Byte >= 0:
		return fmt.Sprintf("%s: byte %d", b.Input, b.Byte)
	}
	return b.Input
}

func arrowed(s string) string {
	if s == "" {
		return ""
	}
	return "→ " + s
}

// showUnknown lists every reason of unknown results with what to do next, and
// the checks it touches.
func (p *printer) showUnknown(a *check.Assessment) {
	t := totalsOf(a)
	if len(t.reasons) == 0 {
		p.line("no result is unknown")
		return
	}
	for n, r := range t.reasons {
		if n > 0 {
			p.line("")
		}
		p.line("", signOf("unknown").span("? %s  %s", number(r.count), r.reason), plain("  %s", r.reason.Text()))
		step := advise(a, r.reason)
		if strings.Contains(step, "--show unknown") {
			step = "" // this is it: the checks say what each lacks
		}
		p.wrap(2, arrowed(step))
		told := ""
		touched := slices.Clone(a.Checks)
		touched = slices.DeleteFunc(touched, func(s check.Summary) bool { return s.Reasons[r.reason] == 0 })
		slices.SortStableFunc(touched, func(x, y check.Summary) int {
			return cmp.Or(cmp.Compare(y.Reasons[r.reason], x.Reasons[r.reason]), cmp.Compare(x.Check.ID, y.Check.ID))
		})
		for k, s := range touched {
			if p.limit >= 0 && k == p.limit {
				p.line("", quiet("  and %s more checks: --json holds them", number(len(touched)-k)))
				break
			}
			p.line("", plain("  %8s  ", number(s.Reasons[r.reason])), strong("%s", pad(middle(visible(s.Check.ID), 32), 33)), plain("%s", s.Check.Title))
			if r.reason == tickmark.ReasonNotCollected {
				lacking := lackingOf(a, &s)
				if told == strings.Join(lacking, "\n") {
					continue // as the check above
				}
				told = strings.Join(lacking, "\n")
				for _, l := range lacking {
					p.wrap(12, arrowed(l))
				}
			}
		}
	}
}
