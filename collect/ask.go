// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// Source is one part of Microsoft's clouds (or GitHub) as data: the questions
// that are put to it. The engine (Run) does the asking, alike for all sources.
type Source struct {
	// Name is the source's word: arm, graph, devops, github, power.
	Name string
	// Title is its name for people.
	Title string
	// Asks are the questions. Their order is the order of segments and pages;
	// what an ask needs of others follows from Of.
	Asks []Ask
	// Scope returns the segment's scope of a subject: "/subscriptions/…" in
	// ARM, the organisation in DevOps; "" is the whole tenant. Nil means "".
	Scope func(s *Subject) string
}

// Root is the type of the subject from which a source starts: the tenant. Its
// fields are the configuration's: tenantId, and what the source adds.
const Root = "tenant"

// Ask is one question: a request whose pages list resources of some types, put
// once, or for each of many subjects.
type Ask struct {
	// Name is unique inside the source, in kebab-case: "key-vault-secrets".
	Name string
	// About says in one plain clause what it reads.
	About string
	// Doc is the page that documents the request; empty where there is none.
	Doc string
	// Of names the types of the resources or records that are asked about, one
	// request for each; empty means Root. They are yields of other asks, or a
	// list of the configuration: "tenant/githubOrganizations" is a subject for
	// each element of the root's member of that name. Where the configuration
	// has no such list nobody said which there are, and nothing is complete.
	Of []string
	// By narrows Of to the rows of the asks named, where others list resources of
	// the same type that this one is not about, or only after many requests.
	By []string
	// Where keeps only the subjects for which it is true; nil keeps all.
	Where func(s *Subject) bool
	// Batch, if above 0, puts up to that many subjects into one request:
	// {ids} in Body is the JSON array of their names, {ids.id} of their ids,
	// {ids.properties.x} of another member; in Query a list with commas.
	Batch int

	Host   Host
	Method string // GET unless stated
	// Path and Query (raw) and Body are templates: {id}, {name}, or the path of
	// a member of the subject such as {properties.vaultUri}; {^id} is of the
	// subject of the subject, {^^id} of the next one up. A path may begin with a
	// member that is a whole address, if the host admits it. Values are escaped for where they stand; {id} of
	// an ARM id stays as it is. {from} and {to} are the window's ends.
	Path       string
	Query      string
	Body       string
	Header     map[string]string
	APIVersion string // sent as api-version where the host wants one
	Paging     Paging
	// PageSize is what the request asks for, for the plan.
	PageSize int
	// Cap, if above 0, is the number of rows that the source never exceeds for
	// one subject without saying that there are more: so many are truncated.
	Cap int
	// Form and Entity are those of the pages (tickmark.Page).
	Form   string
	Entity string
	// Wire is what the service sends where that is not the JSON of Form: the
	// engine turns it into that before it reads and keeps it. The page's digest as
	// received is of what was sent.
	Wire Wire
	// List is the member that holds the rows; "" stands for what the form
	// implies: data for resourceGraph, value for armList and graphCollection,
	// the top-level array for array.
	List string
	// Identity is the path of the member that tells the rows for one subject
	// apart; "" stands for id. Several are joined by commas; "#" says that rows
	// have none and their position tells them apart (PageOne only), "-" that
	// there is one row for a subject.
	Identity string
	// Bytes names a member of the subject that says of how many bytes the answer
	// must at least be, where what is cut at the end of a row reads as whole.
	Bytes string
	// Redact are paths of members whose values are secret for this ask, such as
	// "variables.*.value"; "*" is any member or element, and "!" before a path
	// excepts it. Options.Redact knows the general ones.
	Redact []string
	// Types are what the ask reads completely when it is wholly answered.
	Types []string
	// Direct says that the resource's own provider answers (Request.Direct).
	Direct bool
	// Pace is the quota that the requests draw on.
	Pace Pace
	// Window makes the ask one of a log.
	Window *Window
	// Needs says what the identity must be allowed to do.
	Needs Need
	// Answers are statuses and error codes that mean something for this ask
	// other than what they mean in general (ReasonOf).
	Answers []Answer
	// Proof names an ask of the same source. Where a source leaves out what the
	// identity may not see, and answers with the rest, a list counts as complete
	// only if Proof was answered for the same subject, or the nearest above it,
	// and its Shows says that the identity sees.
	Proof string
	// Shows tells from an answer whether the identity sees; nil means that any
	// answer shows it.
	Shows func(answer jsontape.Value) bool
	// ShowsOf is Shows where the answer must be about the subject, too.
	ShowsOf func(of *Subject, answer jsontape.Value) bool
	// Sees are the permissions that the identity must have for all of the subject,
	// so that the list has all rows: Proof must be an ask with Grants, and is asked
	// for each subject of a batch.
	Sees []string
	// Grants tells from the answers of a proof which of the wanted permissions
	// the identity lacks for the subject; "" if none.
	Grants func(answers []jsontape.Value, wanted []string) (lacks string)
	// NotEmpty says that there always is one: an identity to which the list is
	// empty does not see it. Subscriptions, users, the organisation.
	NotEmpty bool
	// NeverEmpty is NotEmpty for some of the subjects: an organisation always has
	// administrators, other groups may be empty.
	NeverEmpty func(of *Subject) bool
	// Count names an ask whose rows say how many rows this one must have.
	Count string
	// Part says that the rows are only some of those that there are of its Types
	// for the source: inherited, above or below a scope. Lists of the same type
	// are compared with each other, but not with a part.
	Part bool
	// NotOffered are the clouds and Microsoft 365 environments without it.
	NotOffered []string
}

// Host names an endpoint; the cloud's data say where it is. Tokens are sent to
// no other host.
type Host string

// The hosts.
const (
	HostARM          Host = "arm"
	HostGraph        Host = "graph"
	HostLogAnalytics Host = "logAnalytics"
	HostBlob         Host = "blob" // storage archives; the account's own host
	HostVault        Host = "vault"
	HostDevOps       Host = "devops"      // dev.azure.com
	HostDevOpsGraph  Host = "devopsGraph" // vssps.dev.azure.com
	HostDevOpsAudit  Host = "devopsAudit" // auditservice.dev.azure.com
	// HostDevOpsRelease is vsrm.dev.azure.com, HostDevOpsEntitlements
	// vsaex.dev.azure.com.
	HostDevOpsRelease      Host = "devopsRelease"
	HostDevOpsEntitlements Host = "devopsEntitlements"
	HostGitHub             Host = "github"
	HostPower              Host = "power"     // api.bap.microsoft.com and its like
	HostPowerAPI           Host = "powerApi"  // api.powerplatform.com
	HostDataverse          Host = "dataverse" // the environment's own host
)

// Paging says how an answer leads to the next page.
type Paging string

// The ways of paging.
const (
	PageOne          Paging = ""             // one answer is all
	PageNextLink     Paging = "nextLink"     // ARM: nextLink; also Power Platform
	PageSkipToken    Paging = "skipToken"    // Resource Graph: $skipToken, sent in options of the body
	PageODataLink    Paging = "odata"        // Graph, Dataverse: @odata.nextLink
	PageContinuation Paging = "continuation" // DevOps: header x-ms-continuationtoken, sent as continuationToken
	PageBodyToken    Paging = "bodyToken"    // DevOps: continuationToken in the body, sent as continuationToken
	PageSkip         Paging = "skip"         // DevOps: $top and $skip until a page is short
	PageLink         Paging = "link"         // GitHub: header Link, rel="next"
	PageMarker       Paging = "marker"       // Storage: NextMarker of the XML, sent as marker
)

// Wire says what a service sends instead of JSON.
type Wire string

// The forms on the wire.
const (
	WireJSON     Wire = ""
	WireBlobList Wire = "blobList" // Storage: the XML of List Containers and List Blobs
)

// Pace names a quota.
type Pace string

// The quotas; Quotas has their figures and where they are documented.
const (
	PaceResourceGraph  Pace = "resourceGraph"  // per principal and tenant
	PaceARM            Pace = "arm"            // per principal and subscription
	PacePolicyInsights Pace = "policyInsights" // per principal and subscription
	PaceGraph          Pace = "graph"          // per application and tenant
	PaceGraphReports   Pace = "graphReports"   // sign-ins and audit logs
	PaceGraphRisk      Pace = "graphRisk"      // identity protection
	PaceLogAnalytics   Pace = "logAnalytics"
	PaceStorage        Pace = "storage" // per storage account
	PaceDevOps         Pace = "devops"
	PaceGitHub         Pace = "github"
	PacePower          Pace = "power"
)

// Need is the least that an identity must have for an ask.
type Need struct {
	// Permission is the ARM action, the Graph application permission, the
	// DevOps or GitHub permission, in the service's own words.
	Permission string
	// Role is the least built-in role or the way to grant it.
	Role string
	// Scope is where the role is given; "" is where the source's are in general.
	Scope string
	// Licence lists service plan names (as /subscribedSkus has them), any of
	// which is enough; empty where none is needed.
	Licence []string
}

// Answer gives a status and error code a meaning.
type Answer struct {
	Status int    // 0 is any
	Code   string // the service's error code, compared without case; "" is any
	Means  Meaning
}

// Meaning is what an error answer says about the subject.
type Meaning string

// The meanings.
const (
	MeansNone       Meaning = "none"       // answered: there is none
	MeansNoSuch     Meaning = "noSuch"     // the kind of resource cannot have it: answered, not applicable
	MeansGone       Meaning = "gone"       // the service says that the subject, which was listed, is not there
	MeansNotOffered Meaning = "notOffered" // not in this cloud or region
	MeansNoLicence  Meaning = "noLicence"
	MeansRefused    Meaning = "refused" // not permitted
)

// Window makes an ask one of a log: {from} and {to} are filled, and its
// coverage says which time the rows span.
type Window struct {
	// Field is the member, or the column, with the record's time. Until is that
	// of its last one where a row stands for several; "" is Field.
	Field, Until string
	// Keeps is how long the source keeps records; 0 when that is not known.
	// Longer where the tenant has one of the plans of Extended.
	Keeps    time.Duration
	Extended map[string]time.Duration
	// Back is how far back is read where nobody says and Keeps is not known; 0
	// is a month.
	Back time.Duration
	// Some says that some records are kept longer than Keeps: they are asked for
	// where somebody names the time, and it counts as a gap all the same.
	Some bool
	// Overlap is re-read at the start of a later collection, because records
	// arrive late.
	Overlap time.Duration
	// Span is the longest time for one request; 0 is no limit.
	Span time.Duration
	// Months cuts the time at the beginnings of months (UTC) instead, and {from}
	// is the first day of each: for lists whose names begin with the month.
	Months bool
	// Lasts is how long what a row tells of goes on from Field; 0 is a moment. A
	// row is inside the window if any of that is.
	Lasts time.Duration
	// Layout is the time's layout in the request; "" is RFC 3339 with Z.
	Layout string
}

// Subject is a resource or record that an ask is about.
type Subject struct {
	Type string
	ID   string
	Name string
	// Item is the object as it was read.
	Item jsontape.Value
	// Of is the subject in answer to which it was read; nil below the root.
	Of *Subject
}

// Options steer a collection.
type Options struct {
	// Dir is the working directory of this run: spooled pages and the journal
	// from which an interrupted run goes on. It is the caller's to remove.
	Dir string
	// Endpoints are the hosts of the cloud; Credentials sign in for them.
	Endpoints   Endpoints
	Credentials Credentials
	// Transport sends the requests; nil is the engine's own.
	Transport *http.Client
	// Root holds the configured fields of the root subject, as a JSON object.
	Root []byte
	// Only keeps the asks or sources ("graph", "arm/locks") that are named;
	// empty keeps all.
	Only []string
	// Scopes keeps the scopes that are named; Exclude leaves scopes out.
	Scopes  []string
	Exclude []Exclusion
	// Bound is what else must be the same for an interrupted run to go on: who
	// signs in, what Redact replaces, whether it is a trial. Pages that were
	// read under other terms are not these terms' pages. Each is NAME=VALUE; an
	// error that names what differs shows both.
	Bound []string
	// ResumeWithin is how long after its start an interrupted run may be gone on
	// with; 0 stands for 24 hours. Older pages are an error and stay. Anew throws
	// away what an earlier run left in Dir, whatever its plan and age.
	ResumeWithin time.Duration
	Anew         bool
	// From and To bound the logs.
	From, To time.Time
	// Redact replaces secret values before anything is written.
	Redact Redactor
	Clock  Clock
	// Limit bounds the time that one ask may take; throttling included.
	Limit time.Duration
	// Progress is told how far the run is.
	Progress func(Progress)
	// Actor and Tool are for the provenance.
	Actor, Tool string

	// tune is set by tests of this package.
	tune *tuning
}

// Exclusion is a scope or ask that the operator leaves out or declines.
type Exclusion struct {
	// Scope is a scope's id, or an ask ("graph/access-reviews").
	Scope   string          `json:"scope"`
	Reason  tickmark.Reason `json:"reason"` // excluded or declined
	Detail  string          `json:"detail"`
	Actor   string          `json:"actor"`
	Expires time.Time       `json:"expires,omitzero"`
}

// Redactor replaces the secret values in an answer.
type Redactor func(received []byte) (kept []byte, replaced int)

// Clock is the wall clock: pacing, retries, skew.
type Clock interface {
	Now() time.Time
	// Sleep waits, or returns the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Progress is the state of a run.
type Progress struct {
	Source    string
	Ask       string
	Done      int // subjects answered or refused
	Subjects  int
	Requests  int
	Rows      int
	Throttled time.Duration // waited for quotas and Retry-After
}

// Endpoints say where the hosts of one cloud are.
type Endpoints struct {
	// Cloud is public, usGovernment or china; Microsoft365 is commercial, gcc,
	// gccHigh, dod or china. Both are of one tenant, so of one authority.
	Cloud, Microsoft365 string
	// URL is the base of each host, such as https://management.azure.com; a
	// suffix starting with "." (".vault.azure.net") admits hosts below it.
	URL map[Host]string
	// Audience is the resource that a token for the host is for.
	Audience map[Host]string
	// Authority is where sign-in happens. TenantID is the tenant of a simulator.
	Authority, TenantID string
	// Live says that all of these are Microsoft's (or GitHub's) own.
	Live bool
	// Clock is that of a simulator with a clock of its own; nil is this machine's.
	Clock *SimulatedClock
	// roots are the authorities of a simulator; nil is the host's own.
	roots *x509.CertPool
}

// Credentials give tokens.
type Credentials interface {
	// Token returns the value of the Authorization header for a host.
	Token(ctx context.Context, h Host, audience string) (header string, expires time.Time, err error)
}
