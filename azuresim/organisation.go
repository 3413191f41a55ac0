// SPDX-License-Identifier: Apache-2.0

// Package azuresim is a believable Azure on loopback: an organisation described
// in YAML, served over TLS with paging, quotas, permissions and, if wanted,
// faults, on a clock of its own and the same from the same seed. Collectors
// cannot tell it from the real one except by its endpoints.
package azuresim

import _ "embed" // the default organisation

//go:embed default.yaml
var defaultYAML []byte

// DefaultYAML is the text of the organisation that Default returns: an invented
// software company with good settings and bad ones, to start from.
func DefaultYAML() []byte { return append([]byte{}, defaultYAML...) }

// Default returns the organisation that is served when none is given.
func Default() (*Organisation, error) { return Parse("default.yaml", defaultYAML) }

// Organisation is what the simulator serves: a company's tenant as data. Its
// YAML form is specified in doc/spec/sim.md; unknown keys are errors.
type Organisation struct {
	Name   string `yaml:"name"`
	About  string `yaml:"about"`
	Tenant Tenant `yaml:"tenant"`
	// Identities are the applications that may sign in; empty admits any, as a
	// reader of everything.
	Identities       []Identity        `yaml:"identities"`
	ManagementGroups []ManagementGroup `yaml:"managementGroups"`
	Subscriptions    []Subscription    `yaml:"subscriptions"`
	// Resources are the templates of everything that Azure Resource Manager
	// serves: resources, children, extensions, policy, Defender plans …
	Resources       []Resource       `yaml:"resources"`
	RoleDefinitions []RoleDefinition `yaml:"roleDefinitions"`
	RoleAssignments []RoleAssignment `yaml:"roleAssignments"`
	PolicyStates    []PolicyState    `yaml:"policyStates"`
	Workspaces      []Workspace      `yaml:"workspaces"`
	Archives        []Archive        `yaml:"archives"`

	People            []Person      `yaml:"people"`
	Groups            []Group       `yaml:"groups"`
	DirectoryRoles    []Grant       `yaml:"directoryRoles"`
	Applications      []Application `yaml:"applications"`
	ConditionalAccess []Record      `yaml:"conditionalAccess"`
	// Licences are the tenant's products with the service plans in them.
	Licences []Licence `yaml:"licences"`
	// Deny is what the credential may not read.
	Deny []Denial `yaml:"deny"`

	DevOps []DevOpsOrganisation `yaml:"devops"`
	GitHub []GitHubOrganisation `yaml:"github"`
	Power  PowerPlatform        `yaml:"power"`

	Logs    Logs     `yaml:"logs"`
	Changes []Change `yaml:"changes"`
	// Records holds entities as they are served, by host and entity: the key
	// "graph/identity/conditionalAccess/policies" lists policies of that path.
	Records map[string][]Record `yaml:"records"`
	// Faults are injected from the start.
	Faults []Fault `yaml:"faults"`

	source source
}

// Tenant is the directory.
type Tenant struct {
	ID           string   `yaml:"id" sim:"guid"`
	Domains      []string `yaml:"domains"`                                             // the first is the default one
	Cloud        string   `yaml:"cloud" sim:"public usGovernment china"`               // public, usGovernment, china
	Microsoft365 string   `yaml:"microsoft365" sim:"commercial gcc gccHigh dod china"` // commercial, gcc, gccHigh, dod, china
	Country      string   `yaml:"country"`
	Created      When     `yaml:"created"`
	// Epoch is the instant to which relative times refer; the clock's at the
	// start unless stated.
	Epoch string `yaml:"epoch"`
}

// cloud is the Azure cloud; public unless stated.
func (t *Tenant) cloud() string { return first(t.Cloud, "public") }

// microsoft365 is the environment; the usual one of the cloud unless stated.
func (t *Tenant) microsoft365() string {
	usual := map[string]string{"public": "commercial", "usGovernment": "gccHigh", "china": "china"}
	return first(t.Microsoft365, usual[t.cloud()])
}

// Identity is an application, or a managed identity, that signs in.
type Identity struct {
	Name string `yaml:"name"`
	// ClientID is a GUID, or any word by which --client names it.
	ClientID string `yaml:"clientId"`
	ObjectID string `yaml:"objectId" sim:"guid"`
	// Roles are the Graph application permissions in its tokens.
	Roles []string `yaml:"roles"`
	// Actions are its effective permissions in Azure Resource Manager, DataActions
	// those on what is in resources.
	Actions     []string `yaml:"actions"`
	NotActions  []string `yaml:"notActions"`
	DataActions []string `yaml:"dataActions"`
	// Access, if there is any, are its role assignments: it then reads only what
	// they cover. Without, it reads everything.
	Access []Access `yaml:"access"`

	// DevOps are its permissions in Azure DevOps beyond reading; Power what it is
	// to Power Platform.
	DevOps []DevOpsGrant `yaml:"devops"`
	Power  PowerGrant    `yaml:"power"`

	grants []allowance // of Access
}

// Access is a role that an identity has at a scope and below.
type Access struct {
	// Role is the name of a built-in or custom role.
	Role string `yaml:"role"`
	// Scope is "/", managementGroup/NAME (root is the root group),
	// subscription/NAME[/…] or an id.
	Scope string `yaml:"scope"`
}

// DevOpsGrant allows an identity something in all organisations of Azure DevOps.
type DevOpsGrant struct {
	// Namespace is the name of a security namespace, Allow are names of its
	// actions.
	Namespace string   `yaml:"namespace"`
	Allow     []string `yaml:"allow"`
	// At is the name of a project, PROJECT/REPOSITORY, or a token; empty is the
	// organisation.
	At string `yaml:"at"`
}

// PowerGrant is what an identity is to Power Platform and each Dataverse.
type PowerGrant struct {
	// Management says that it is registered as an application for management.
	Management bool `yaml:"management"`
	// Role is reader (unless stated), contributor, owner, administrator or none.
	Role string `yaml:"role" sim:"reader contributor owner administrator none"`
	// Privileges are those in each Dataverse beyond reading.
	Privileges []string `yaml:"privileges"`
	// Maker says that it has the role EnvironmentMaker in environments without
	// Dataverse.
	Maker bool `yaml:"maker"`
}

// ManagementGroup is a node above subscriptions. The tenant's root group always
// exists and has the tenant's id as its name.
type ManagementGroup struct {
	Name    string `yaml:"name"`
	Display string `yaml:"display"`
	Parent  string `yaml:"parent"` // empty is the root group
}

// Subscription is one subscription, or with Count many alike.
type Subscription struct {
	Name            string            `yaml:"name"`
	ID              string            `yaml:"id" sim:"guid"` // made from the name unless stated
	Count           int               `yaml:"count" sim:"0..10000"`
	ManagementGroup string            `yaml:"managementGroup"`
	State           string            `yaml:"state" sim:"Enabled Disabled Warned PastDue Deleted"`
	Tags            map[string]string `yaml:"tags"`
	// Appears is when it was created, Ends when it goes.
	Appears When `yaml:"appears"`
	Ends    When `yaml:"ends"`
}

// Resource is a template of resources: Count of them in each of the
// subscriptions, with children and extensions below each.
type Resource struct {
	// Type is Namespace/type; below a parent, a single word is a child of it and
	// a full type an extension.
	Type string `yaml:"type"`
	Name string `yaml:"name"`
	// Count is per subscription (or parent); 1 unless stated.
	Count int `yaml:"count" sim:"0..5000000"`
	// Subscriptions are names or patterns ("prod-*"); empty is all.
	Subscriptions []string `yaml:"subscriptions"`
	// At is group (unless stated), subscription, tenant or
	// managementGroup/NAME: where the resource stands.
	At       string  `yaml:"at"`
	Group    string  `yaml:"group"`
	Location string  `yaml:"location"`
	Kind     string  `yaml:"kind"`
	SKU      *Record `yaml:"sku"`
	Tags     *Record `yaml:"tags"`
	Identity *Record `yaml:"identity"`
	// Properties are served as given; Also are further top-level members.
	Properties *Record `yaml:"properties"`
	Also       *Record `yaml:"also"`
	// Index is merged over what Resource Graph shows, which lags.
	Index *Record `yaml:"index"`
	// Table is the Resource Graph table; "none" where it has none. Top-level
	// resources are in resources unless stated, children in none.
	Table    string     `yaml:"table"`
	Variants []Variant  `yaml:"variants"`
	Children []Resource `yaml:"children"`
	Appears  When       `yaml:"appears"`
	Ends     When       `yaml:"ends"`
	By       string     `yaml:"by"` // who created it
}

// Variant changes every n-th of a template's resources, counted over the whole
// organisation; the first that applies does.
type Variant struct {
	Every int    `yaml:"every" sim:"1..5000000"`
	From  int    `yaml:"from" sim:"0..5000000"` // the number of the first, counted from 0
	Merge Record `yaml:"merge"`
}

// RoleDefinition is a custom role; the built-in ones are always there.
type RoleDefinition struct {
	Name        string   `yaml:"name"`
	ID          string   `yaml:"id" sim:"guid"`
	Description string   `yaml:"description"`
	Actions     []string `yaml:"actions"`
	NotActions  []string `yaml:"notActions"`
	DataActions []string `yaml:"dataActions"`
	Scopes      []string `yaml:"scopes"`
}

// RoleAssignment gives a principal an Azure role at a scope.
type RoleAssignment struct {
	Principal string `yaml:"principal"` // a person's, group's or application's name
	Role      string `yaml:"role"`
	// Scope is "/", managementGroup/NAME, subscription/NAME or an id.
	Scope   string `yaml:"scope"`
	Created When   `yaml:"created"`
	By      string `yaml:"by"`
}

// PolicyState says what Azure Policy found for every resource of a type.
type PolicyState struct {
	Assignment string `yaml:"assignment"` // name of the assignment
	Definition string `yaml:"definition"`
	Type       string `yaml:"type"`
	// NonCompliantEvery makes every n-th resource non-compliant; 0 none.
	NonCompliantEvery int `yaml:"nonCompliantEvery" sim:"0..5000000"`
	// States are those of single resources, by name: NonCompliant, Exempt …
	States map[string]string `yaml:"states"`
}

// Workspace is a Log Analytics workspace to which logs are exported.
type Workspace struct {
	Name       string   `yaml:"name"` // of the resource
	CustomerID string   `yaml:"customerId" sim:"guid"`
	Tables     []string `yaml:"tables"`
	// Since is when the export began; Keeps how long records stay.
	Since When    `yaml:"since"`
	Keeps Span    `yaml:"keeps"`
	Gaps  []Pause `yaml:"gaps"`
}

// Archive is a storage account to which logs are exported. What exports to it
// is a resource of its own: a diagnostic setting, or a workspace's data export.
type Archive struct {
	Account string `yaml:"account"` // name of the resource
	// Logs are the tables' names of the logs that diagnostic settings send;
	// Exports the tables that Workspace exports.
	Logs      []string `yaml:"logs"`
	Exports   []string `yaml:"exports"`
	Workspace string   `yaml:"workspace"`
	// Since is when the export began; Keeps how long blobs stay.
	Since When    `yaml:"since"`
	Keeps Span    `yaml:"keeps"`
	Gaps  []Pause `yaml:"gaps"`
}

// Pause is a time without records.
type Pause struct {
	From When `yaml:"from"`
	To   When `yaml:"to"`
}

// Person is a user of the directory, or with Count many alike.
type Person struct {
	Name       string     `yaml:"name"`
	UPN        string     `yaml:"upn"`
	ID         string     `yaml:"id" sim:"guid"`
	Count      int        `yaml:"count" sim:"0..500000"`
	Guest      bool       `yaml:"guest"`
	Disabled   bool       `yaml:"disabled"`
	Title      string     `yaml:"title"`
	Department string     `yaml:"department"`
	Manager    string     `yaml:"manager"`
	Employment Employment `yaml:"employment"`
	Created    When       `yaml:"created"`
	LastSignIn When       `yaml:"lastSignIn"`
	// Methods are the registered authentication methods, as Graph names them;
	// NoMFA says that there is none worth the name.
	Methods  []string `yaml:"methods"`
	NoMFA    bool     `yaml:"noMfa"`
	Licences []string `yaml:"licences"`
	Synced   bool     `yaml:"synced"` // from an on-premises directory
	Also     *Record  `yaml:"also"`   // further members of the Graph user
}

// Employment is what the HR system knows of a person.
type Employment struct {
	Type  string `yaml:"type"`
	Hired When   `yaml:"hired"`
	Left  When   `yaml:"left"`
}

// Group is a group of the directory.
type Group struct {
	Name           string   `yaml:"name"`
	ID             string   `yaml:"id" sim:"guid"`
	Members        []string `yaml:"members"` // names of people, groups, applications
	Owners         []string `yaml:"owners"`
	RoleAssignable bool     `yaml:"roleAssignable"`
	Dynamic        string   `yaml:"dynamic"`
	Created        When     `yaml:"created"`
	Also           *Record  `yaml:"also"`
}

// Grant is a directory role that somebody holds.
type Grant struct {
	Role      string `yaml:"role"` // display name
	Principal string `yaml:"principal"`
	Eligible  bool   `yaml:"eligible"`
	From      When   `yaml:"from"`
	To        When   `yaml:"to"`
}

// Application is an app registration with its service principal.
type Application struct {
	Name        string       `yaml:"name"`
	ID          string       `yaml:"id" sim:"guid"`
	ClientID    string       `yaml:"clientId" sim:"guid"`
	ObjectID    string       `yaml:"objectId" sim:"guid"` // of the service principal
	Owners      []string     `yaml:"owners"`
	Credentials []Credential `yaml:"credentials"`
	Permissions []string     `yaml:"permissions"` // Graph application permissions granted
	Delegated   []string     `yaml:"delegated"`   // delegated scopes granted for all
	Foreign     bool         `yaml:"foreign"`     // registered in another tenant
	Created     When         `yaml:"created"`
	Also        *Record      `yaml:"also"`
}

// Credential is a key or password of an application.
type Credential struct {
	Kind    string `yaml:"kind" sim:"password certificate federated"` // password, certificate, federated
	Name    string `yaml:"name"`
	Starts  When   `yaml:"starts"`
	Expires When   `yaml:"expires"`
}

// Licence is a product with its service plans.
type Licence struct {
	SKU      string   `yaml:"sku"`
	Units    int      `yaml:"units" sim:"0..10000000"`
	Consumed int      `yaml:"consumed" sim:"0..10000000"`
	Plans    []string `yaml:"plans"`
	State    string   `yaml:"state" sim:"Enabled Warning Suspended Deleted LockedOut"` // Enabled unless stated
}

// Denial is something that the credential may not read.
type Denial struct {
	Host   string `yaml:"host"`
	Method string `yaml:"method"`
	Path   string `yaml:"path"` // pattern; * stands for anything
	Status int    `yaml:"status" sim:"0..599"`
	Code   string `yaml:"code"`
	// Message replaces the usual words.
	Message string `yaml:"message"`
	// Hide answers 200 with an empty list, as services do that filter by
	// permission.
	Hide bool `yaml:"hide"`
}

// DevOpsOrganisation is an organisation of Azure DevOps.
type DevOpsOrganisation struct {
	Name string `yaml:"name"`
	// NoAudit says that auditing was never switched on.
	NoAudit  bool                `yaml:"noAudit"`
	Projects []Project           `yaml:"projects"`
	Records  map[string][]Record `yaml:"records"`
}

// Project is a project of Azure DevOps.
type Project struct {
	Name string `yaml:"name"`
	// Hidden exists but the identity is not shown it.
	Hidden             bool                `yaml:"hidden"`
	Visibility         string              `yaml:"visibility" sim:"private public"`
	Repositories       []Repository        `yaml:"repositories"`
	Pipelines          []Pipeline          `yaml:"pipelines"`
	Environments       []Environment       `yaml:"environments"`
	ServiceConnections []ServiceConnection `yaml:"serviceConnections"`
	Records            map[string][]Record `yaml:"records"`
}

// Repository is a Git repository of Azure DevOps or GitHub.
type Repository struct {
	Name string `yaml:"name"`
	// Hidden exists but the identity is not shown it.
	Hidden        bool   `yaml:"hidden"`
	DefaultBranch string `yaml:"defaultBranch"`
	Visibility    string `yaml:"visibility" sim:"private public internal"`
	Archived      bool   `yaml:"archived"`
	// Protection is the branch policy or protection of the default branch.
	Protection   Protection          `yaml:"protection"`
	PullRequests PullRequests        `yaml:"pullRequests"`
	Pipelines    []Pipeline          `yaml:"pipelines"`    // GitHub: workflows
	Environments []Environment       `yaml:"environments"` // GitHub
	Records      map[string][]Record `yaml:"records"`
}

// Protection is what guards a branch.
type Protection struct {
	Reviewers       int      `yaml:"reviewers" sim:"0..20"` // 0 is no requirement
	SelfApproval    bool     `yaml:"selfApproval"`
	DismissOnPush   bool     `yaml:"dismissOnPush"`
	Checks          []string `yaml:"checks"`
	WorkItems       bool     `yaml:"workItems"`
	BypassAllowed   []string `yaml:"bypassAllowed"`
	AdminsExempt    bool     `yaml:"adminsExempt"`
	ForcePush       bool     `yaml:"forcePush"`
	Ruleset         bool     `yaml:"ruleset"` // GitHub: as a ruleset
	SignedCommits   bool     `yaml:"signedCommits"`
	CommentsResolve bool     `yaml:"commentsResolve"`
}

// PullRequests are made by number and by hand.
type PullRequests struct {
	Count     int      `yaml:"count"`
	From      When     `yaml:"from"`
	To        When     `yaml:"to"`
	Authors   []string `yaml:"authors"`
	Reviewers []string `yaml:"reviewers"`
	// Unreviewed, SelfApproved and Bypassed say how many of Count are so.
	Unreviewed   int           `yaml:"unreviewed"`
	SelfApproved int           `yaml:"selfApproved"`
	Bypassed     int           `yaml:"bypassed"`
	Items        []PullRequest `yaml:"items"`
}

// PullRequest is one by hand.
type PullRequest struct {
	ID      int      `yaml:"id" sim:"0..1000000000"`
	Title   string   `yaml:"title"`
	Author  string   `yaml:"author"`
	Created When     `yaml:"created"`
	Merged  When     `yaml:"merged"`
	By      string   `yaml:"by"` // who completed it
	Status  string   `yaml:"status" sim:"completed active abandoned"`
	Target  string   `yaml:"target"`
	Bypass  string   `yaml:"bypass"` // the reason given
	Reviews []Review `yaml:"reviews"`
}

// Review is a vote on a pull request.
type Review struct {
	Who  string `yaml:"who"`
	Vote string `yaml:"vote" sim:"approved approvedWithSuggestions waiting rejected none"` // approved, approvedWithSuggestions, waiting, rejected, none
	At   When   `yaml:"at"`
}

// Pipeline is a pipeline or workflow with its runs.
type Pipeline struct {
	Name        string `yaml:"name"`
	Repository  string `yaml:"repository"`
	Runs        int    `yaml:"runs"`
	From        When   `yaml:"from"`
	To          When   `yaml:"to"`
	Environment string `yaml:"environment"` // deploys to it
	// FailEvery makes every n-th run fail; Unapproved that many go without
	// approval.
	FailEvery  int  `yaml:"failEvery"`
	Unapproved int  `yaml:"unapproved"`
	Keeps      Span `yaml:"keeps"`
}

// Environment is a deployment target with its approvals.
type Environment struct {
	Name string `yaml:"name"`
	// Hidden exists but the identity is not shown it.
	Hidden       bool     `yaml:"hidden"`
	Approvers    []string `yaml:"approvers"`
	MinApprovers int      `yaml:"minApprovers" sim:"0..20"`
	SelfApproval bool     `yaml:"selfApproval"`
	Checks       []Record `yaml:"checks"`
}

// ServiceConnection is a stored way from a pipeline to somewhere.
type ServiceConnection struct {
	Name string `yaml:"name"`
	// Hidden exists but the identity is not shown it.
	Hidden       bool   `yaml:"hidden"`
	Type         string `yaml:"type"`
	Scheme       string `yaml:"scheme"`
	Subscription string `yaml:"subscription"`
	AllPipelines bool   `yaml:"allPipelines"`
	Shared       bool   `yaml:"shared"`
}

// GitHubOrganisation is an organisation of GitHub.
type GitHubOrganisation struct {
	Name              string              `yaml:"name"`
	TwoFactorRequired bool                `yaml:"twoFactorRequired"`
	Members           []string            `yaml:"members"`
	Owners            []string            `yaml:"owners"`
	Repositories      []Repository        `yaml:"repositories"`
	Records           map[string][]Record `yaml:"records"`
	// NoApp says that the App is not installed there, Suspended that it may not
	// read for now.
	NoApp     bool `yaml:"noApp"`
	Suspended bool `yaml:"suspended"`
	// AppPermissions are those of the App there; what it reads unless stated.
	AppPermissions map[string]string `yaml:"appPermissions"`
	// TokenScopes, if given, are those of classic personal access tokens: answers
	// list them.
	TokenScopes []string `yaml:"tokenScopes"`
}

// PowerPlatform is what the Power Platform's administration serves.
type PowerPlatform struct {
	Environments []PowerEnvironment  `yaml:"environments"`
	Records      map[string][]Record `yaml:"records"`
}

// PowerEnvironment is an environment, with or without Dataverse.
type PowerEnvironment struct {
	Name      string `yaml:"name"`
	Display   string `yaml:"display"`
	Type      string `yaml:"type"`
	Region    string `yaml:"region"`
	Dataverse bool   `yaml:"dataverse"`
	// Refused says that the environment has no application user for us.
	Refused bool                `yaml:"refused"`
	Users   []string            `yaml:"users"`
	Audit   bool                `yaml:"audit"`
	Records map[string][]Record `yaml:"records"`
}

// Logs say how much happens.
type Logs struct {
	SignIns  Stream `yaml:"signIns"`
	Audits   Stream `yaml:"audits"`
	Activity Stream `yaml:"activity"`
	Alerts   Stream `yaml:"alerts"`
}

// Stream is one kind of event, made from the seed.
type Stream struct {
	PerDay int  `yaml:"perDay"`
	Since  When `yaml:"since"` // the first event; 400 days back unless stated
	// Keeps is how long the service's own API has them.
	Keeps Span `yaml:"keeps"`
	// Late and Lost are shares (0.05); Delay is how late.
	Late  float64 `yaml:"late"`
	Delay Span    `yaml:"delay"`
	Lost  float64 `yaml:"lost"`
}

// Change is a change of resources over time.
type Change struct {
	At   When   `yaml:"at"`
	ID   string `yaml:"id"`   // one resource; or
	Type string `yaml:"type"` // every n-th of a type
	// Every counts over the whole organisation; 1 is each.
	Every         int      `yaml:"every" sim:"0..5000000"`
	From          int      `yaml:"from" sim:"0..5000000"`
	Subscriptions []string `yaml:"subscriptions"`
	Merge         *Record  `yaml:"merge"`
	Delete        bool     `yaml:"delete"`
	By            string   `yaml:"by"`
	Operation     string   `yaml:"operation"`
	// Event is logged (unless stated), late, lost or none.
	Event string `yaml:"event" sim:"logged late lost none"`
	Delay Span   `yaml:"delay"`
}
