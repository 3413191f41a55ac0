// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// prover holds lists against what proves that they are whole. A source that
// leaves out what the identity may not see answers with the rest and status 200.
type prover struct {
	r     *runner
	units map[key]*unit
	// granted are the answers of proofs that tell permissions: each is about many
	// lists.
	granted map[*unit][]jsontape.Value
}

// prove applies Proof, NotEmpty and Count to the units that were answered.
func (r *runner) prove(src *sourceRun) {
	p := &prover{r: r, units: map[key]*unit{}, granted: map[*unit][]jsontape.Value{}}
	for _, a := range src.asks {
		for _, u := range a.units {
			p.units[u.key] = u
		}
	}
	for _, a := range src.asks {
		for _, u := range a.units {
			if !u.answered() {
				continue
			}
			if a.ask.Proof != "" && r.tune.on("proof") {
				p.seen(u)
			}
			if u.rows == 0 && (a.ask.NotEmpty || r.neverEmpty(u)) && r.tune.on("notEmpty") {
				u.end = &ending{Reason: tickmark.ReasonNotPermitted, Detail: "the list is empty, and there always is one: the identity may not see it"}
			}
			if a.ask.Count != "" && r.tune.on("countAsk") {
				r.counted(p.units, u)
			}
		}
	}
}

// neverEmpty reports whether there always is a row for the unit's subject, as
// far as the subject can be read again.
func (r *runner) neverEmpty(u *unit) bool {
	of := u.ask.ask.NeverEmpty
	if of == nil || u.batch != nil {
		return false
	}
	s, err := (&loader{r: r}).subject(u.ask.src, u.at)
	return err != nil || of(s)
}

func (u *unit) answered() bool {
	return u.end != nil && u.end.Reason == tickmark.ReasonNone && u.end.Means == ""
}

// seen looks for the proof of each subject of a unit. In a batch the rows of
// the others are not touched by the one that is not proven: coverage is kept by
// scope.
func (p *prover) seen(u *unit) {
	a := u.ask.ask
	if u.batch == nil || p.r.probe { // a probe proves the first only
		if why := p.proven(u, 0); why != "" {
			u.end = &ending{Reason: tickmark.ReasonNotPermitted, Detail: fmt.Sprintf("%d rows, but the source lists only what the identity may see, and %s (%s)", u.rows, why, a.Proof)}
		}
		return
	}
	u.partly = nil
	for i, id := range u.ids {
		if why := p.proven(u, i); why != "" {
			u.partly = append(u.partly, tickmark.Refusal{
				Scope: id, Reason: tickmark.ReasonNotPermitted,
				Detail: fmt.Sprintf("its rows were read, but the source lists only what the identity may see, and %s (%s)", why, a.Proof),
			})
		}
	}
}

// proven says why the list for a subject is not known to be whole; "" if it is.
func (p *prover) proven(u *unit, subject int) string {
	for _, k := range u.proofs[subject] {
		of := p.units[k]
		if of == nil {
			continue
		}
		switch {
		case !of.answered():
			return "whether it sees all was not answered"
		case !slices.ContainsFunc(of.pages, func(x *pageRec) bool { return x.proof }):
			return "it does not see all"
		}
		if len(u.ask.ask.Sees) > 0 && p.r.tune.on("sees") {
			return p.lacks(u.ask.ask, of)
		}
		return ""
	}
	return "whether it sees all was not asked"
}

// lacks asks a proof for the permissions that a list needs.
func (p *prover) lacks(a *Ask, of *unit) string {
	answers, ok := p.granted[of]
	if !ok {
		for _, page := range of.pages {
			b, err := p.r.spool.read(page.Off, page.Len)
			if err != nil {
				return "what it is granted cannot be read again"
			}
			tape, err := jsontape.Parse(b, jsontape.Options{})
			if err != nil {
				return "what it is granted cannot be read"
			}
			answers = append(answers, tape.Root())
		}
		p.granted[of] = answers
	}
	if lacks := of.ask.ask.Grants(answers, a.Sees); lacks != "" {
		return fmt.Sprintf("it may read only a part of %s: it lacks %s there; it needs %s at %s", of.id, lacks, orElse(a.Needs.Role, "the permission"), of.id)
	}
	return ""
}

// counted compares a list with the rows that another ask counted.
func (r *runner) counted(units map[key]*unit, u *unit) {
	for _, k := range u.counts {
		c := units[k]
		if c == nil {
			continue
		}
		sum := int64(-1)
		for _, p := range c.pages {
			if p.sum >= 0 {
				sum = max(sum, 0) + p.sum
			}
		}
		switch {
		case c.end == nil || c.end.Reason != tickmark.ReasonNone:
			u.end = &ending{Reason: c.reason(), Detail: fmt.Sprintf("%d rows, but how many there are was not answered (%s)", u.unique, u.ask.ask.Count)}
		case sum < 0 && u.unique > 0 || sum >= 0 && sum != int64(u.unique):
			u.end = &ending{Reason: tickmark.ReasonTruncated, Detail: fmt.Sprintf("%d rows, but %s counts %d", u.unique, u.ask.ask.Count, max(sum, 0))}
		}
		return
	}
	u.end = &ending{Reason: tickmark.ReasonNotCollected, Detail: fmt.Sprintf("how many there are was not asked (%s)", u.ask.ask.Count)}
}

func (u *unit) reason() tickmark.Reason {
	if u.end != nil && u.end.Reason != tickmark.ReasonNone {
		return u.end.Reason
	}
	return tickmark.ReasonNotCollected
}
