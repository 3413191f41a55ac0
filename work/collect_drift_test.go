// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/inventory"
)

// drifting puts a drift (C19) to the members that the inventory's table
// describes, one by one: whole to all that the answers have, else to one.
func drifting(src *collect.Source, info azuresim.FaultInfo, all []asked, rng *rand.Rand, whole bool) []experiment {
	var out []experiment
	done := map[string]bool{}
	for i := range all {
		q := &all[i]
		if done[q.ask.Name] || q.rows == 0 {
			continue
		}
		done[q.ask.Name] = true
		for _, m := range inventory.Members(q.ask.Entity) {
			if path := strings.ReplaceAll(m.Path, "[*]", ""); m.Path != "." && !strings.HasSuffix(m.Path, "[*]") && has(q.row, path) {
				out = append(out, experiment{
					source: src.Name, fault: info, about: q.ask.Name + " " + path, hit: []*collect.Ask{q.ask},
					put: []azuresim.Fault{{ID: info.ID, Host: string(q.ask.Host), Path: q.path, Contains: q.contains, Member: path}},
				})
			}
		}
	}
	if !whole && len(out) > 1 {
		n := rng.IntN(len(out))
		out = out[n : n+1]
	}
	return out
}

// has reports whether a row has the member; of an array any element.
func has(row []byte, path string) bool {
	var v any
	if json.Unmarshal(row, &v) != nil {
		return false
	}
	var find func(v any, steps []string) bool
	find = func(v any, steps []string) bool {
		if len(steps) == 0 {
			return true
		}
		switch v := v.(type) {
		case map[string]any:
			next, ok := v[steps[0]]
			return ok && find(next, steps[1:])
		case []any:
			return slices.ContainsFunc(v, func(e any) bool { return find(e, steps) })
		}
		return false
	}
	return find(v, strings.Split(path, "."))
}

// fact reports whether what drifted may be what the service means, as far as the
// documentation of its members goes: then other verdicts are right. It is one
// unless every member that drifted is described, and described otherwise.
func (x *experiment) fact() bool {
	if len(x.put) != len(x.hit) {
		return true // one fault for all requests of a host
	}
	for i := range x.put {
		if excuse(x.hit[i].Entity, x.put[i].Member, x.fault.ID) != "" {
			return true
		}
	}
	return false
}

// beyond are lists that follow from a member which drifted, in a way that nothing
// in the answer shows: by type, the member and why.
var beyond = map[string][2]string{
	"arm/logarchives": {"properties.storageAccountId", "a setting leaves the account out where it sends nothing there, so that one under another name is not known of"},
}

// lost says why rows of a type may be missing though every list is complete.
func (x *experiment) lost(typ string) string {
	b := beyond[typ]
	if b[0] != "" && slices.ContainsFunc(x.put, func(f azuresim.Fault) bool { return f.Member == b[0] }) {
		return b[1]
	}
	return ""
}

// told reports whether the documentation says of every member that drifted what
// it means.
func (x *experiment) told() bool {
	for i := range x.put {
		if len(x.put) != len(x.hit) || excuse(x.hit[i].Entity, x.put[i].Member, x.fault.ID) == unknownMember {
			return false
		}
	}
	return true
}

const unknownMember = "nothing is known of the member"

// excuse says why an answer of a type whose member drifted may be right.
func excuse(typ, path, drift string) string {
	all := inventory.Members(typ)
	at := slices.IndexFunc(all, func(m inventory.Member) bool {
		return strings.ReplaceAll(m.Path, "[*]", "") == path && !strings.HasSuffix(m.Path, "[*]")
	})
	if at < 0 {
		return unknownMember
	}
	m := &all[at]
	switch drift {
	case "C19/rename":
		parent := "."
		if i := strings.LastIndexByte(m.Path, '.'); i > 0 {
			parent = m.Path[:i]
		}
		if !m.Always && !slices.ContainsFunc(all, func(p inventory.Member) bool { return p.Path == parent && len(p.Only) > 0 }) {
			return m.Why
		}
	case "C19/null":
		if m.Null {
			return m.Why
		}
	case "C19/enum":
		if slices.Contains(m.Kinds, "string") && len(m.Values) == 0 {
			return "any text is a value"
		}
	}
	return ""
}
