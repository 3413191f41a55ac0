// SPDX-License-Identifier: Apache-2.0

package catalog

// Area is an area of control for which a provider and its customer divide the
// work: physical security, patching of the operating system, access …
// services/areas.yaml lists them.
type Area struct {
	ID   string `yaml:"id" json:"id"`
	Name string `yaml:"name" json:"name"`
	// About says what belongs to it.
	About string `yaml:"about" json:"about"`
	// Criteria are the criteria that the area bears on.
	Criteria []string `yaml:"criteria" json:"criteria"`
}

// Service is a cloud service as organisations know it. services/PRODUCT.yaml
// lists those of one product.
type Service struct {
	ID   string `yaml:"id" json:"id"`
	Name string `yaml:"name" json:"name"`
	// Product is azure, microsoft365, dynamics365, powerPlatform, azureDevOps
	// or github.
	Product string `yaml:"product" json:"product"`
	// Tier is iaas, paas or saas.
	Tier string `yaml:"tier" json:"tier"`
	// Former are the names under which reports and people may still know it.
	Former []FormerName `yaml:"former,omitempty" json:"former,omitempty"`
	// Retired is set when the provider has said that the service ends.
	Retired *Retirement `yaml:"retired,omitempty" json:"retired,omitempty"`
	// Types are the resource types, or providers with a trailing "/*", whose
	// presence in an inventory means that the service is used.
	Types []string `yaml:"types,omitempty" json:"types,omitempty"`
	// Profile names the division of work (services/profiles.yaml); Cells are
	// where this service differs from it.
	Profile    string          `yaml:"profile" json:"profile"`
	Cells      map[string]Cell `yaml:"cells,omitempty" json:"cells,omitempty"`
	References []string        `yaml:"references" json:"references"`
}

// FormerName is an older name of a service.
type FormerName struct {
	Name string `yaml:"name" json:"name"`
	// Until is the date (YYYY, YYYY-MM or YYYY-MM-DD) of the renaming; empty
	// when it is not known.
	Until string `yaml:"until,omitempty" json:"until,omitempty"`
}

// Profile is how the work is divided for services of one kind, by area.
type Profile struct {
	ID    string          `yaml:"id" json:"id"`
	Name  string          `yaml:"name" json:"name"`
	Cells map[string]Cell `yaml:"cells" json:"cells"`
}

// Cell says who does the work of one area for one service.
type Cell struct {
	// Who is provider, shared, customer or none (the area does not arise).
	Who string `yaml:"who" json:"who"`
	// Provider is what the provider does: a complementary subservice
	// organisation control (CSOC) under the carve-out method.
	Provider string `yaml:"provider,omitempty" json:"provider,omitempty"`
	// Customer is what is left to the customer.
	Customer string `yaml:"customer,omitempty" json:"customer,omitempty"`
	// Controls and Checks show the customer's part.
	Controls []string `yaml:"controls,omitempty" json:"controls,omitempty"`
	Checks   []string `yaml:"checks,omitempty" json:"checks,omitempty"`
}

// ReportScope is a fact: which service a provider's report names as in scope.
// services/scope.yaml lists them; an organisation corrects them from the
// report in hand.
type ReportScope struct {
	// Report is the id of a report profile.
	Report string `yaml:"report" json:"report"`
	// Cloud and Environment are empty where the source does not tell them apart.
	Cloud       string   `yaml:"cloud,omitempty" json:"cloud,omitempty"`             // public, usGovernment, china, germany
	Environment string   `yaml:"environment,omitempty" json:"environment,omitempty"` // commercial, gcc, gccHigh, dod
	Categories  []string `yaml:"categories,omitempty" json:"categories,omitempty"`   // empty: not told per service
	// Products are families that the source names as a whole, such as azure:
	// it does not tell which of their services it means.
	Products []string `yaml:"products,omitempty" json:"products,omitempty"`
	// Services are ids, "" where none fits; Names are those as printed, in the
	// same order.
	Services []string `yaml:"services" json:"services"`
	Names    []string `yaml:"names" json:"names"`
	// From and To bound when the source said so (YYYY-MM-DD); To is empty while
	// nothing newer is known.
	From   string `yaml:"from" json:"from"`
	To     string `yaml:"to,omitempty" json:"to,omitempty"`
	Source string `yaml:"source" json:"source"`
	Note   string `yaml:"note,omitempty" json:"note,omitempty"`
	// InHand is the paper that an organisation's correction rests on; Excluded
	// says that it does not name the services.
	InHand   *Paper `yaml:"inHand,omitempty" json:"inHand,omitempty"`
	Excluded bool   `yaml:"excluded,omitempty" json:"excluded,omitempty"`
}

// Paper is a report that an organisation has in hand.
type Paper struct {
	ID   string `yaml:"id" json:"id"`     // its title or number
	Date string `yaml:"date" json:"date"` // YYYY-MM-DD, as printed
}

// ReportProfile is how a provider issues a report: rules that change, with
// their dates. services/reports.yaml lists them.
type ReportProfile struct {
	ID       string    `yaml:"id" json:"id"`
	Name     string    `yaml:"name" json:"name"`
	Provider string    `yaml:"provider" json:"provider"`
	Kind     string    `yaml:"kind" json:"kind"` // soc1, soc2, soc3
	Type     int       `yaml:"type" json:"type"` // 1 or 2; 0 where it has none (SOC 3) or none is told
	Products []string  `yaml:"products" json:"products"`
	Access   string    `yaml:"access" json:"access"` // how a customer gets it
	Cadence  []Cadence `yaml:"cadence" json:"cadence"`
}

// Cadence is one regime of issuing a report.
type Cadence struct {
	From string `yaml:"from" json:"from"` // since when the rule is known to hold
	To   string `yaml:"to,omitempty" json:"to,omitempty"`
	// PeriodEnds are the days (MM-DD) on which periods end; Months how long
	// each is. A type 1 report has Dates (MM-DD) instead. Where no source tells
	// them, all are empty and Unknown says what was looked at.
	PeriodEnds []string `yaml:"periodEnds,omitempty" json:"periodEnds,omitempty"`
	Months     int      `yaml:"months,omitempty" json:"months,omitempty"`
	Dates      []string `yaml:"dates,omitempty" json:"dates,omitempty"`
	Unknown    string   `yaml:"unknown,omitempty" json:"unknown,omitempty"`
	// Within is the report that covers the product under this regime, which
	// then has no report of its own.
	Within string `yaml:"within,omitempty" json:"within,omitempty"`
	// IssueDays is how long after the period's end a report appears: least and most.
	IssueDays [2]int `yaml:"issueDays,omitempty" json:"issueDays,omitzero"`
	// Bridge are the bridge letters: when each appears (MM-DD) and which months
	// it covers (MM-DD to MM-DD).
	Bridge []BridgeLetter `yaml:"bridge,omitempty" json:"bridge,omitempty"`
	Source string         `yaml:"source" json:"source"`
	Note   string         `yaml:"note,omitempty" json:"note,omitempty"`
	// InHand is the paper that an organisation's correction rests on.
	InHand *Paper `yaml:"inHand,omitempty" json:"inHand,omitempty"`
}

// BridgeLetter is a letter by management that covers the time after a report.
// No auditor stands behind it.
type BridgeLetter struct {
	Issued string `yaml:"issued" json:"issued"` // MM-DD
	From   string `yaml:"from" json:"from"`     // MM-DD
	To     string `yaml:"to" json:"to"`         // MM-DD
}

// Term is an entry of the glossary.
type Term struct {
	Term string `yaml:"term" json:"term"`
	// Means is the definition, in one or two sentences of our own.
	Means string `yaml:"means" json:"means"`
	// Not says what it is often mistaken for.
	Not  string   `yaml:"not,omitempty" json:"not,omitempty"`
	Also []string `yaml:"also,omitempty" json:"also,omitempty"` // other names
	See  []string `yaml:"see,omitempty" json:"see,omitempty"`   // other terms
	// Search are wordings for which a search also finds the term and its names.
	Search []string `yaml:"search,omitempty" json:"search,omitempty"`
}

// Assertion is one link of the crosswalk: that a criterion and a control of
// another framework bear on the same thing, and who says so. It never says
// that they are equivalent.
type Assertion struct {
	Criterion string `json:"criterion"`
	Framework string `json:"framework"` // id, such as iso27001
	Version   string `json:"version"`
	Control   string `json:"control"`
	// Sources are the ids of the lists that make the link.
	Sources []string `json:"sources"`
}
