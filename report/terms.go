// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
)

// Term is one word of the glossary. One concept has one word, in code, columns,
// URLs, commands and labels; doc/terms.md is written from this table.
type Term struct {
	Word    string
	Meaning string
}

// termGroup is a part of the glossary under a heading.
type termGroup struct {
	title string
	terms []Term
}

// Terms returns the glossary in the order in which doc/terms.md shows it.
func Terms() []Term {
	var all []Term
	for _, g := range glossary {
		all = append(all, g.terms...)
	}
	return all
}

// TermsMarkdown renders doc/terms.md.
func TermsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Words\n\nOne concept has one word: in code, columns, URLs, commands and labels. " +
		"The HTML report shows these meanings where a word is hovered or focused.\n" +
		"The table in `report/terms.go` is the source; a test keeps this page equal to it.\n")
	for _, g := range glossary {
		fmt.Fprintf(&b, "\n## %s\n\n| word | meaning |\n|---|---|\n", g.title)
		for _, t := range g.terms {
			fmt.Fprintf(&b, "| *%s* | %s |\n", t.Word, t.Meaning)
		}
	}
	return b.String()
}

// meaning returns the glossary's text for word, or "".
func meaning(word string) string {
	for _, g := range glossary {
		for _, t := range g.terms {
			if t.Word == word {
				return t.Meaning
			}
		}
	}
	return ""
}

var glossary = []termGroup{
	{"What is asked", []Term{
		{"criterion", "One of the 61 codes of the trust services criteria, such as CC6.1. Each belongs to one category."},
		{"category", "Security, availability, processing integrity, confidentiality or privacy. Security is always in scope, the others by choice. The choice shapes a report; what is recorded is whole."},
		{"commitment", "What the organisation promised in a contract, service level, policy or law. The criteria are judged against it."},
		{"control", "What the organisation does to meet a criterion or commitment: who does what, how, when and where."},
		{"check", "An automated rule over collected resources. It judges configuration; it does not replace a control."},
		{"test", "What a person does to a control to see whether it works: management's tests and the auditor's are different kinds."},
		{"automation", "How closely checks bear on a criterion: direct, supporting or none. People's evidence is needed in every case."},
		{"counterpart", "A built-in policy of Microsoft's that judges the same property as a check. Where the two disagree, the cause is listed."},
		{"severity", "How much a failing check matters: low, medium, high or critical. It orders work; it is not a score."},
	}},
	{"What is read", []Term{
		{"resource", "One JSON object from a source, such as a storage account or a Conditional Access policy."},
		{"summary", "A resource that came without its properties, as some list commands print it. It counts in the population; checks of its properties are unknown."},
		{"partial", "A record of which only some members were asked for. Checks of the others are unknown."},
		{"nested", "A resource found inside its parent, such as a security rule inside a network security group."},
		{"implied", "A resource that was not collected itself; other resources only name it."},
		{"snapshot", "Everything that one collection read, with its coverage."},
		{"coverage", "What was asked, what answered and what refused. Absence may be stated only where coverage is complete."},
		{"input", "One file, or one page of what a source answered, as it was read, named with its SHA-256 digest."},
		{"problem", "Something wrong with the input that did not stop the run: what, where, and what to do. A problem always lowers coverage."},
		{"origin", "Where a snapshot comes from: live endpoints, files exported by hand, a trial, or a sample that is never evidence."},
		{"evidence", "Bytes with their provenance: where they came from, when, and how they were asked for."},
		{"digest", "A SHA-256 fingerprint of exact bytes. Equal digests mean equal bytes."},
		{"override", "What an organisation says differently from an entry of the library, or an entry of its own, recorded as a version with its reason."},
		{"catalogue digest", "The digest of the criteria, checks and field names that this assessment used."},
	}},
	{"What is found", []Term{
		{"verdict", "What one check says of one resource: unknown, pass, fail, not applicable or exempt."},
		{"pass", "Every deciding value was observed and is as expected, at the time of observation. It says nothing about other times."},
		{"fail", "Every deciding value was observed and at least one is not as expected."},
		{"unknown", "Not seen, not readable or not decidable; always with a reason. Unknown is never a pass."},
		{"not applicable", "Observed not to be a subject of the check."},
		{"exempt", "A person decided that the check does not count here; who, why and until when are recorded, and the resource stays in the population."},
		{"not read", "A source or a question that was not put to anybody. What it holds nobody knows: its checks are unknown, and not no resource."},
		{"no resource", "A check whose types were read completely, and nothing to judge was there. It is never a pass."},
		{"people decide", "The state of a criterion in one assessment of which checks say nothing, or only lend support: none fails or is unknown, and none that passes bears on it directly. The number of such criteria changes with what was read; people's evidence is needed for all."},
		{"changed, unobserved", "Between two observations something happened that nobody observed."},
		{"reason", "Why a verdict is unknown, such as summary, notCollected or notPermitted."},
		{"result", "A check, a resource, a verdict and why."},
		{"deciding condition", "The part of the rule that settled the verdict, with the field, what was found and what was wanted."},
		{"near miss", "The single change that would flip a verdict, where one would."},
		{"interval", "A span of time in which a verdict was observed or soundly held."},
		{"change witness", "The log and operations that would reveal a change of a deciding field between two observations."},
	}},
	{"What people do with it", []Term{
		{"period", "The observation period of a Type 2 examination, from its first instant up to, not including, its last."},
		{"population", "All items that a control should have handled in the period."},
		{"census", "A test of the whole population."},
		{"sample", "A selection from the population that anyone can derive again from its seed."},
		{"candidate", "A fact that may turn out to be a deviation."},
		{"deviation", "An instance that people have confirmed as the control not operating."},
		{"exception", "A deviation as the auditor reports it."},
		{"request", "Something that the auditor asks for."},
		{"engagement", "One examination by an independent CPA."},
		{"subservice organisation", "A vendor whose controls are needed together with ours; Microsoft is one. It is carved out of the examination or included in it."},
		{"CSOC", "Complementary subservice organisation controls: those that we rely on the vendor to have."},
		{"CUEC", "Complementary user entity controls: those that a report relies on its reader to have."},
		{"user responsibility", "What a user of the service must do for it to work as described; not the same list as the CUECs."},
		{"bridge letter", "A vendor's own statement about the months after its last report. No auditor has examined it."},
		{"re-performance", "Running the same rules over the same bytes again. It proves how the result was reached, not where the bytes came from."},
	}},
	{"Words around the work", []Term{
		{"cloud security", "Keeping services and data in a cloud safe; the provider and the customer each carry a part of it."},
		{"Azure compliance", "What Microsoft's own reports say about Azure. They cover Microsoft's part; an organisation on Azure needs an examination of its own."},
		{"data protection", "Keeping data from being read, changed or lost by those who should not: encryption, access, backup, disposal."},
		{"security controls", "Controls that serve the security criteria."},
		{"cloud governance", "Deciding and enforcing what may exist in the cloud and who may change it: policies, scopes, roles, naming, cost."},
		{"IAM", "Identity and access management: who may sign in, how that is proven, and what each may do."},
		{"security monitoring", "Collecting and watching signals for events that need an answer."},
		{"risk management", "Finding what could break commitments, judging it, and choosing what to do about it."},
		{"third-party assessment", "Judging a vendor by its reports, answers and record before relying on it, and again while relying on it."},
		{"audit readiness", "Having, for every control in scope, evidence for the whole period that an auditor can trace and re-perform. It is a state of the evidence, not of the opinion."},
	}},
}
