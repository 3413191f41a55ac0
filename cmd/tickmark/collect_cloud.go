// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// placeFlags say in which of Microsoft's clouds a tenant is.
type placeFlags struct {
	Cloud string `help:"The Azure cloud: public, usGovernment or china." enum:"public,usGovernment,china" default:"public" env:"TICKMARK_CLOUD"`
	M365  string `name:"m365" help:"The Microsoft 365 environment of the same tenant: commercial or gcc with public, gccHigh or dod with usGovernment, china with china. Default: the first of these." enum:",commercial,gcc,gccHigh,dod,china" default:"" placeholder:"NAME" env:"TICKMARK_M365"`
}

// flags repeats what is not the default, as it is typed.
func (f *placeFlags) flags() string {
	out := ""
	if f.Cloud != "" && f.Cloud != "public" {
		out += " --cloud " + f.Cloud
	}
	if f.M365 != "" {
		out += " --m365 " + f.M365
	}
	return out
}

// cloudFlags say which tenant to read, and as whom.
type cloudFlags struct {
	placeFlags
	Endpoints string `placeholder:"FILE" help:"Addresses of another cloud, such as those that tickmark sim writes. What is read there is a sample, never evidence." type:"path"`

	Auth        string `help:"How to sign in: managed, workload, certificate, device, cli or sim." enum:",managed,workload,certificate,device,cli,sim" default:"" env:"TICKMARK_AUTH" placeholder:"HOW"`
	Tenant      string `placeholder:"ID" help:"The tenant's id." env:"AZURE_TENANT_ID"`
	Client      string `placeholder:"ID" help:"The application's (client) id." env:"AZURE_CLIENT_ID"`
	Certificate string `placeholder:"FILE" help:"Certificate and key of the application, PEM or PKCS #12." env:"AZURE_CLIENT_CERTIFICATE_PATH" type:"path"`
	TokenFile   string `placeholder:"FILE" help:"The federated token of a workload identity." env:"AZURE_FEDERATED_TOKEN_FILE" type:"path"`

	DevOps       []string `name:"devops" placeholder:"ORG" help:"Azure DevOps organisations."`
	GitHub       []string `name:"github" placeholder:"ORG" help:"GitHub organisations; a GitHub App is found in each by its name."`
	GitHubApp    string   `name:"github-app" placeholder:"ID" help:"The GitHub App that is installed there." env:"TICKMARK_GITHUB_APP"`
	Installation string   `name:"github-installation" placeholder:"ID" help:"One of its installations; not needed, for they are found by the organisations' names." env:"TICKMARK_GITHUB_INSTALLATION"`
	GitHubKey    string   `name:"github-key" placeholder:"FILE" help:"Its private key (PEM)." env:"TICKMARK_GITHUB_KEY" type:"path"`

	Only    []string `placeholder:"SOURCE" help:"Only these: graph, arm, devops, github, power, or one question (arm/locks). Default: graph and arm, and those whose organisations are named. What is left out is unknown, and the status 3, unless --exclude or --decline says why."`
	Scope   []string `placeholder:"SCOPE" help:"Only these scopes, such as /subscriptions/ID: they are the population, and nothing is said of others."`
	Exclude []string `placeholder:"SCOPE=REASON" help:"Leave a scope or a source out (/subscriptions/ID=why, power=why); the reason is kept with the coverage." sep:"none"`
	Decline []string `placeholder:"ASK=REASON" help:"Declare that the organisation does not have something, such as graph/access-reviews or power; needs --until." sep:"none"`
	Until   string   `placeholder:"DATE" help:"The last day of what --decline declares (2026-12-31)."`
	Actor   string   `placeholder:"NAME" help:"Who collects; default: the user of this machine." env:"TICKMARK_ACTOR"`

	AcceptWriter []string `placeholder:"NAME=REASON" help:"Accept that the identity of a source can write there; the reason is kept." sep:"none"`
}

// cloudSetup is what the flags come to.
type cloudSetup struct {
	sources  []collect.Source
	options  collect.Options
	accepted map[string]string
	access   []work.Access // what was found out about the identity
	left     []string      // sources that are not read
	// why says for each of them why that is.
	why map[string]inventory.LeftOut
}

// bind says what an interrupted collection must have in common with this one:
// whoever reads in its stead, as a trial, accepting a writer or keeping names
// that are to be replaced now, did not read this one's pages.
func (f *cloudFlags) bind(s *cloudSetup, kind, tenant string, try bool) {
	b := []string{
		"--auth=" + kind, "--tenant=" + tenant, "--client=" + f.Client, "--github-app=" + f.GitHubApp,
		"--github-installation=" + f.Installation, fmt.Sprint("--try=", try),
	}
	for _, name := range slices.Sorted(maps.Keys(s.accepted)) {
		b = append(b, "--accept-writer "+name+"="+s.accepted[name])
	}
	s.options.Bound = b
}

// setup reads the flags. try reads Azure as whoever is signed in.
func (f *cloudFlags) setup(rc *runContext, try bool) (*cloudSetup, error) {
	s := &cloudSetup{accepted: map[string]string{}}
	var err error
	o := &s.options
	if f.Endpoints != "" {
		o.Endpoints, err = collect.LoadEndpoints(f.Endpoints)
	} else {
		o.Endpoints, err = collect.EndpointsOf(f.Cloud, f.M365)
	}
	if err != nil {
		return nil, err
	}
	rc = s.clocked(rc)
	if len(f.DevOps) > 0 && o.Endpoints.Live && o.Endpoints.URL[collect.HostDevOps] == "" {
		return nil, usageError("--devops", "Azure DevOps Services is not offered to tenants of "+o.Endpoints.Cloud+": its organisations are in tenants of the public cloud",
			"collect them by themselves: --cloud public --only devops, with the --tenant that they are connected to")
	}
	tenant := f.Tenant
	if tenant == "" {
		tenant = o.Endpoints.TenantID
	}
	kind, err := f.kind(o.Endpoints.Live, try)
	if err != nil {
		return nil, err
	}
	if tenant == "" && kind != "azureCLI" && !f.gitHubAlone() {
		return nil, usageError("--tenant", "which tenant?", "give the tenant's id: az account show --query tenantId")
	}
	o.Credentials, err = collect.NewCredentials(o.Endpoints, collect.SignIn{
		Kind: kind, TenantID: tenant, ClientID: f.Client, Certificate: f.Certificate, TokenFile: f.TokenFile,
		Prompt: func(message string) { fmt.Fprintln(rc.Err, printable(message)) },
		GitHub: collect.GitHubSignIn{AppID: f.GitHubApp, InstallationID: f.Installation, Key: f.GitHubKey, Token: os.Getenv("TICKMARK_GITHUB_TOKEN")},
	}, nil)
	if err != nil {
		return nil, err
	}
	if tenant == "" && kind == "azureCLI" && !f.gitHubAlone() {
		if tenant, err = work.TenantOf(rc.Context, *o); err != nil {
			return nil, err
		}
	}
	if o.Root, err = json.Marshal(f.root(tenant)); err != nil {
		return nil, err
	}
	if err := f.choose(s, try); err != nil {
		return nil, err
	}
	for _, scope := range f.Scope {
		if err := knownScope("--scope", scope); err != nil {
			return nil, err
		}
	}
	o.Scopes, o.Actor, o.Tool = f.Scope, f.actor(), "tickmark "+engineVersion()
	if o.Exclude, err = f.exclusions(rc, o.Actor); err != nil {
		return nil, err
	}
	for _, a := range f.AcceptWriter {
		name, reason, err := nameReason("--accept-writer", a)
		if err != nil {
			return nil, err
		}
		if !knownSource(name) {
			return nil, usageError("--accept-writer "+name, "there is no such source", "it is one of "+sourceNames())
		}
		s.accepted[name] = reason
	}
	f.bind(s, kind, tenant, try)
	return s, nil
}

// clocked is rc by the clock of a simulator that has one of its own: what is
// read, judged and expected is of its time. What is recorded is recorded by
// this machine's.
func (s *cloudSetup) clocked(rc *runContext) *runContext {
	c := s.options.Endpoints.Clock
	if c == nil {
		return rc
	}
	by := *rc
	by.Now = c.Now
	return &by
}

func usageError(where, what, hint string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, Where: where, What: what, Hint: hint}
}

// root are the configured fields of the tenant. A list that was not given is
// left out: then nobody said which organisations there are.
func (f *cloudFlags) root(tenant string) map[string]any {
	root := map[string]any{"tenantId": tenant}
	if len(f.DevOps) > 0 {
		root["devopsOrganizations"] = f.DevOps
	}
	if len(f.GitHub) > 0 {
		root["githubOrganizations"] = f.GitHub
	}
	return root
}

// kind is the sign-in's word in package collect.
func (f *cloudFlags) kind(live, try bool) (string, error) {
	words := map[string]string{
		"managed": "managedIdentity", "workload": "workloadIdentity", "certificate": "certificate",
		"device": "deviceCode", "cli": "azureCLI", "sim": "simulator",
	}
	switch {
	case f.Auth != "":
		return words[f.Auth], nil
	case !live:
		return "simulator", nil
	case try:
		return "azureCLI", nil
	case f.gitHubAlone():
		return "", nil
	}
	return "", usageError("--auth", "how to sign in?", "--auth managed, workload or certificate for a service; device for a person; --try uses az login for a first look")
}

func (f *cloudFlags) gitHubAlone() bool {
	return len(f.Only) > 0 && !slices.ContainsFunc(f.Only, func(o string) bool { return o != "github" && !strings.HasPrefix(o, "github/") })
}

// choose picks the sources.
func (f *cloudFlags) choose(s *cloudSetup, try bool) error {
	only := f.Only
	if len(only) == 0 {
		only = []string{"arm"}
		if !try {
			only = []string{"graph", "arm"}
		}
		if len(f.DevOps) > 0 {
			only = append(only, "devops")
		}
		if len(f.GitHub) > 0 {
			only = append(only, "github")
		}
	} else {
		s.options.Only = only
	}
	var err error
	if s.sources, err = work.ChooseSources(only); err != nil {
		return err
	}
	for _, all := range work.Sources() {
		if !slices.ContainsFunc(s.sources, func(x collect.Source) bool { return x.Name == all.Name }) {
			s.left = append(s.left, all.Name)
		}
	}
	return nil
}

// leaveOut says why sources are not read: a person gave a reason, or nobody did.
func (f *cloudFlags) leaveOut(s *cloudSetup, try bool) {
	s.why = map[string]inventory.LeftOut{}
	for _, name := range s.left {
		out := inventory.LeftOut{Reason: tickmark.ReasonNotRead, Detail: "it was left out without a reason: --only " + strings.Join(f.Only, ",")}
		switch {
		case len(f.Only) > 0:
		case name == "devops":
			out.Detail = "no organisation of Azure DevOps was named (--devops ORG)"
		case name == "github":
			out.Detail = "no organisation of GitHub was named (--github ORG)"
		case try:
			out.Detail = "a trial reads Azure alone, unless --only names more"
		default:
			out.Detail = "it is read where --only names it (--only graph,arm," + name + ")"
		}
		for i := range s.options.Exclude {
			if x := &s.options.Exclude[i]; x.Scope == name {
				out = inventory.LeftOut{Reason: x.Reason, Detail: x.Why()}
			}
		}
		s.why[name] = out
	}
}

// unreasoned names the sources that are left out and nobody said why.
func (s *cloudSetup) unreasoned() []string {
	return slices.DeleteFunc(slices.Clone(s.left), func(name string) bool { return s.why[name].Reason != tickmark.ReasonNotRead })
}

// withoutLeftOut drops the chosen sources that are excluded or declined as a
// whole: their one line says what a line for each of their questions would.
func (f *cloudFlags) withoutLeftOut(s *cloudSetup, try bool) error {
	s.sources = slices.DeleteFunc(s.sources, func(src collect.Source) bool {
		out := slices.ContainsFunc(s.options.Exclude, func(x collect.Exclusion) bool { return x.Scope == src.Name })
		if out {
			s.left = append(s.left, src.Name)
		}
		return out
	})
	if len(s.sources) == 0 {
		return usageError("--exclude, --decline", "every source that was to be read is left out", "name another with --only, or leave out less")
	}
	f.leaveOut(s, try)
	return nil
}

// exclusions reads --exclude and --decline.
func (f *cloudFlags) exclusions(rc *runContext, actor string) ([]collect.Exclusion, error) {
	var out []collect.Exclusion
	for _, e := range f.Exclude {
		scope, reason, err := nameReason("--exclude", e)
		if err == nil {
			err = knownScope("--exclude", scope)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, collect.Exclusion{Scope: scope, Reason: tickmark.ReasonExcluded, Detail: reason, Actor: actor})
	}
	if len(f.Decline) == 0 {
		if f.Until != "" {
			return nil, usageError("--until "+f.Until, "nothing is declined until then", "it goes with --decline 'NAME=why'")
		}
		return out, nil
	}
	until, err := time.Parse(time.DateOnly, f.Until)
	if err != nil {
		return nil, usageError("--until "+f.Until, "until when is it declined?", "what is declared not to be there must be looked at again: --until 2026-12-31")
	}
	until = until.AddDate(0, 0, 1).Add(-time.Second) // the end of that day
	if !until.After(rc.Now()) {
		return nil, usageError("--until "+f.Until, "the day is past", "what is declared must still hold")
	}
	for _, d := range f.Decline {
		ask, reason, err := nameReason("--decline", d)
		if err != nil {
			return nil, err
		}
		if _, err := work.ChooseSources([]string{ask}); err != nil {
			return nil, usageError("--decline "+ask, "there is no such source or question", "tickmark collect --plan lists the questions")
		}
		out = append(out, collect.Exclusion{Scope: ask, Reason: tickmark.ReasonDeclined, Detail: reason, Actor: actor, Expires: until})
	}
	return out, nil
}

// knownScope refuses a scope that nothing is ever of, so that it would be read
// although somebody left it out: Azure is read by subscription.
func knownScope(flag, scope string) error {
	parts := strings.Split(strings.Trim(scope, "/"), "/")
	azure := strings.EqualFold(parts[0], "subscriptions") || strings.EqualFold(parts[0], "providers")
	switch {
	case !azure && !strings.HasPrefix(scope, "/"):
		return nil // an organisation, an environment, a question
	case strings.HasPrefix(scope, "/") && len(parts) == 2 && strings.EqualFold(parts[0], "subscriptions"):
		return nil
	}
	return usageError(flag+" "+scope, "Azure is read by subscription, and this is none", "write it as /subscriptions/ID")
}

func knownSource(name string) bool {
	return slices.ContainsFunc(work.Sources(), func(s collect.Source) bool { return s.Name == name })
}

func sourceNames() string {
	var out []string
	for _, s := range work.Sources() {
		out = append(out, s.Name)
	}
	return strings.Join(out, ", ")
}

// nameReason reads NAME=REASON; the reason may not be missing.
func nameReason(flag, s string) (name, reason string, err error) {
	name, reason, _ = strings.Cut(s, "=")
	name, reason = strings.TrimSpace(name), strings.TrimSpace(reason)
	if name == "" || len(reason) < 3 {
		return "", "", usageError(flag+" "+s, "a name and a reason are needed", "write it as '"+flag+" NAME=why'; the reason is kept with the evidence")
	}
	return name, reason, nil
}

func (f *cloudFlags) actor() string {
	if f.Actor != "" {
		return f.Actor
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}
