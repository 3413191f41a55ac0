// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/graph"
	"github.com/tickmark/tickmark/work"
)

// services adds what the rules for Azure DevOps, GitHub and Power Platform look
// at to the organisation of a rig.
func services(org *azuresim.Organisation) {
	org.DevOps = []azuresim.DevOpsOrganisation{{Name: "contoso", Projects: []azuresim.Project{
		{Name: "Shop", Repositories: []azuresim.Repository{{Name: "web"}, {Name: "api"}}}, {Name: "Empty"},
	}}}
	org.GitHub = []azuresim.GitHubOrganisation{{Name: "contoso", Repositories: []azuresim.Repository{{Name: "web"}}}, {Name: "fabrikam"}}
	org.Power.Environments = []azuresim.PowerEnvironment{{Name: "Home", Type: "Default"}, {Name: "Sales", Dataverse: true}, {Name: "Field", Dataverse: true}}
}

// accessRig is a rig with these services, as the identity that the change makes.
func accessRig(t *testing.T, change func(*azuresim.Organisation)) *rig {
	t.Helper()
	r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
		services(org)
		if change != nil {
			change(org)
		}
	})
	r.opts.Root = []byte(`{"tenantId":"` + r.opts.Endpoints.TenantID + `","devopsOrganizations":["contoso"],"githubOrganizations":["contoso"]}`)
	return r
}

// access is what is found out at one source.
func (r *rig) access(t *testing.T, source string) work.Access {
	t.Helper()
	all, err := work.Accesses(t.Context(), only(t, source), r.opts, nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %+v, %v", source, all, err)
	}
	writers, err := work.Writers(t.Context(), only(t, source), r.opts, nil)
	if refused := work.RefuseWriters(writers) != nil; err != nil || refused != all[0].Writes {
		t.Errorf("%s: writes %v, refused %v, %v", source, all[0].Writes, refused, err)
	}
	if all[0].Why == "" {
		t.Errorf("%s: nothing says why %+v", source, all[0])
	}
	return all[0]
}

// TestWritesDevOps: an identity that only reads is known to, by the service's own
// evaluation; each right beyond reading is found where it was given, down to a
// branch, and named.
func TestWritesDevOps(t *testing.T) {
	a := accessRig(t, nil).access(t, "devops")
	if a.Writes || !strings.Contains(a.Why, "permissions beyond reading") || !strings.Contains(a.Why, "contoso") {
		t.Errorf("a reader: %+v", a)
	}
	branch := "repoV2/x/y/refs/heads/6d00610069006e00/"
	for _, c := range []struct {
		grant azuresim.DevOpsGrant
		want  string
	}{
		{azuresim.DevOpsGrant{Namespace: "Git Repositories", Allow: []string{"GenericContribute"}, At: "Shop"}, "Git Repositories: GenericContribute in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "Git Repositories", Allow: []string{"ManagePermissions"}, At: "Shop/api"}, "Git Repositories: ManagePermissions in contoso/Shop (repoV2/"},
		{azuresim.DevOpsGrant{Namespace: "Git Repositories", Allow: []string{"ForcePush"}, At: branch}, "Git Repositories: ForcePush in contoso (" + branch},
		{azuresim.DevOpsGrant{Namespace: "Git Repositories", Allow: []string{"PullRequestContribute"}, At: "Empty"}, "PullRequestContribute in contoso/Empty"},
		{azuresim.DevOpsGrant{Namespace: "Collection", Allow: []string{"CREATE_PROJECTS"}}, "Collection: CREATE_PROJECTS in contoso"},
		{azuresim.DevOpsGrant{Namespace: "Project", Allow: []string{"GENERIC_WRITE"}, At: "Shop"}, "Project: GENERIC_WRITE in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "Build", Allow: []string{"EditBuildDefinition"}, At: "Shop"}, "Build: EditBuildDefinition in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "ReleaseManagement", Allow: []string{"ManageDeployments"}, At: "Shop"}, "ReleaseManagement: ManageDeployments in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "ServiceEndpoints", Allow: []string{"Administer"}, At: "Shop"}, "ServiceEndpoints: Administer in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "Library", Allow: []string{"Create"}, At: "Empty"}, "Library: Create in contoso/Empty"},
		{azuresim.DevOpsGrant{Namespace: "Environment", Allow: []string{"Manage"}}, "Environment: Manage in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "Identity", Allow: []string{"ManageMembership"}, At: "Shop"}, "Identity: ManageMembership in contoso/Shop"},
		{azuresim.DevOpsGrant{Namespace: "AuditLog", Allow: []string{"Manage_Streams"}}, "AuditLog: Manage_Streams in contoso"},
	} {
		a := accessRig(t, func(org *azuresim.Organisation) { org.Identities[0].DevOps = []azuresim.DevOpsGrant{c.grant} }).access(t, "devops")
		if !a.Writes || !strings.Contains(a.Why, c.want) {
			t.Errorf("%+v: %+v, want %q", c.grant, a, c.want)
		}
	}
	// A right that reads makes no writer: else every reader would be one.
	a = accessRig(t, func(org *azuresim.Organisation) {
		org.Identities[0].DevOps = []azuresim.DevOpsGrant{{Namespace: "Library", Allow: []string{"ViewSecrets"}, At: "Shop"}}
	}).access(t, "devops")
	if a.Writes {
		t.Errorf("who reads secrets: %+v", a)
	}
	if a := newRig(t, "reader").access(t, "devops"); !a.Writes {
		t.Errorf("no organisation is named: %+v", a)
	}
}

// gitHubRig is a rig that signs in as the App 42, or with a token.
func gitHubRig(t *testing.T, change func(*azuresim.GitHubOrganisation), token bool) *rig {
	t.Helper()
	r := accessRig(t, func(org *azuresim.Organisation) { change(&org.GitHub[0]) })
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	in := collect.GitHubSignIn{AppID: "42", Key: file}
	if token {
		tenant := &collecttest.Tenant{Sim: r.sim, Clock: r.clock, Endpoints: r.opts.Endpoints, Client: r.sim.Client()}
		header, _, err := collecttest.SignIn{Tenant: tenant}.Token(t.Context(), collect.HostGitHub, "https://api.github.com")
		if err != nil {
			t.Fatal(err)
		}
		in = collect.GitHubSignIn{Token: strings.TrimPrefix(header, "Bearer ")}
	}
	if r.opts.Credentials, err = collect.NewCredentials(r.opts.Endpoints, collect.SignIn{Kind: "simulator", ClientID: "reader", GitHub: in}, r.clock); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWritesGitHub: the permissions of an App and the scopes of a classic token
// decide; what a fine-grained one may do is not told.
func TestWritesGitHub(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*azuresim.GitHubOrganisation)
		token  bool
		writes bool
		want   string
	}{
		{"an App that reads", func(*azuresim.GitHubOrganisation) {}, false, false, "permissions of the GitHub App 42 in contoso are read"},
		{"an App that writes", func(o *azuresim.GitHubOrganisation) {
			o.AppPermissions = map[string]string{"metadata": "read", "contents": "write", "organization_projects": "admin"}
		}, false, true, "contents: write (the GitHub App 42 in contoso); organization_projects: admin"},
		{"a level of another name", func(o *azuresim.GitHubOrganisation) { o.AppPermissions = map[string]string{"contents": "maintain"} }, false, true, "contents: maintain"},
		{"an App that is not there", func(o *azuresim.GitHubOrganisation) { o.NoApp = true }, false, true, "contoso is not known: the GitHub App 42 is not installed"},
		{"a classic token that writes", func(o *azuresim.GitHubOrganisation) { o.TokenScopes = []string{"read:org", "repo"} }, true, true, "the scope repo"},
		{"a classic token that reads", func(o *azuresim.GitHubOrganisation) { o.TokenScopes = []string{"read:org", "user:email"} }, true, false, "read:org"},
		{"a classic token without scopes", func(o *azuresim.GitHubOrganisation) { o.TokenScopes = []string{} }, true, false, "public information"},
		{"a fine-grained token", func(*azuresim.GitHubOrganisation) {}, true, true, "does not tell what a fine-grained"},
	} {
		a := gitHubRig(t, c.change, c.token).access(t, "github")
		if a.Writes != c.writes || !strings.Contains(a.Why, c.want) {
			t.Errorf("%s: %+v, want %v because of %q", c.name, a, c.writes, c.want)
		}
	}
	// Of several organisations one in which it writes is enough.
	r := gitHubRig(t, func(*azuresim.GitHubOrganisation) {}, false)
	org := r.sim.Organisation()
	org.GitHub[1].AppPermissions = map[string]string{"metadata": "read", "workflows": "write"}
	r.opts.Root = []byte(`{"githubOrganizations":["contoso","fabrikam"]}`)
	if a := r.access(t, "github"); !a.Writes || a.Why != "workflows: write (the GitHub App 42 in fabrikam)" {
		t.Errorf("the second organisation: %+v", a)
	}
	if a := accessRig(t, nil).access(t, "github"); !a.Writes {
		t.Errorf("without a sign-in: %+v", a)
	}
}

// TestWritesPower: an application that was registered for management writes by
// nature; one with the role reader and privileges that read does not.
func TestWritesPower(t *testing.T) {
	a := accessRig(t, nil).access(t, "power")
	if a.Writes || !strings.Contains(a.Why, "Power Platform reader only") || !strings.Contains(a.Why, "privileges") {
		t.Errorf("a reader: %+v", a)
	}
	for _, c := range []struct {
		grant azuresim.PowerGrant
		want  string
	}{
		{azuresim.PowerGrant{Management: true}, "management application"},
		{azuresim.PowerGrant{Role: "contributor"}, "Power Platform contributor at /tenants/"},
		{azuresim.PowerGrant{Role: "administrator"}, "role-based access control administrator"},
		{azuresim.PowerGrant{Role: "none"}, "no role says by what"},
		{azuresim.PowerGrant{Maker: true}, "EnvironmentMaker in the environment Home"},
		{azuresim.PowerGrant{Privileges: []string{"prvWriteAccount"}}, "prvWriteAccount (Basic) in the Dataverse of Field"},
		{azuresim.PowerGrant{Privileges: []string{"prvCreateRole", "prvAssignRole", "prvDeleteUser"}}, "more"},
		{azuresim.PowerGrant{Privileges: []string{"prvPublishCustomization"}}, "prvPublishCustomization"},
	} {
		a := accessRig(t, func(org *azuresim.Organisation) { org.Identities[0].Power = c.grant }).access(t, "power")
		if !a.Writes || !strings.Contains(a.Why, c.want) {
			t.Errorf("%+v: %+v, want %q", c.grant, a, c.want)
		}
	}
	// More to read makes no writer.
	a = accessRig(t, func(org *azuresim.Organisation) {
		org.Identities[0].Power = azuresim.PowerGrant{Privileges: []string{"prvReadAccount"}}
	}).access(t, "power")
	if a.Writes {
		t.Errorf("who reads accounts: %+v", a)
	}
	a = accessRig(t, func(org *azuresim.Organisation) { org.Power.Environments[1].Refused = true }).access(t, "power")
	if !a.Writes || !strings.Contains(a.Why, "not answered") {
		t.Errorf("an environment refuses: %+v", a)
	}
}

// deciding are the requests whose answers decide, by source.
var deciding = map[string]map[string][]string{
	"devops": {"devops": {"/contoso/_apis/securitynamespaces", "/contoso/_apis/projects", "/contoso/_apis/accesscontrollists/*", "/contoso/_apis/security/permissionevaluationbatch"}},
	"power": {
		"power":     {"*/adminApplications", "*/scopes/admin/environments", "*/roleAssignments"},
		"powerApi":  {"/authorization/roleAssignments"},
		"dataverse": {"*/WhoAmI", "*RetrieveUserPrivileges"},
	},
	"github": {"github": {"/app/installations/*"}},
}

// TestWritesFaults: whatever goes wrong with an answer that decides, the identity
// may write. Without the fault it reads, so that each case can fail.
func TestWritesFaults(t *testing.T) {
	faults := []string{"403", "empty", "C6/error", "C6/object", "C6/empty", "C6/html", "C7", "C5/500"}
	if testing.Short() {
		faults = []string{"403", "empty", "C6/error", "C7"}
	}
	for source, hosts := range deciding {
		for host, paths := range hosts {
			for _, path := range paths {
				for _, fault := range faults {
					if fault == "empty" && strings.HasSuffix(path, "oleAssignments") && host == "power" {
						continue // nobody has a role in that environment: an answer
					}
					writesUnder(t, source, host, path, fault)
				}
			}
		}
	}
}

func writesUnder(t *testing.T, source, host, path, fault string) {
	t.Helper()
	denied := fault == "403" || fault == "empty"
	if source == "github" && denied {
		return // it refuses the token, and there is no sign-in then
	}
	change := func(org *azuresim.Organisation) {
		if denied {
			org.Deny = append(org.Deny, azuresim.Denial{Host: host, Path: path, Hide: fault == "empty"})
		}
	}
	r := accessRig(t, change)
	if source == "github" {
		r = gitHubRig(t, func(*azuresim.GitHubOrganisation) {}, false)
	}
	if !denied {
		if err := r.sim.Inject(azuresim.Fault{ID: fault, Host: host, Path: path, Count: -1}); err != nil {
			t.Fatal(err)
		}
	}
	if a := r.access(t, source); !a.Writes {
		t.Errorf("%s: %s %s with %s: %+v", source, host, path, fault, a)
	}
	if !denied && r.sim.Hits()[fault] == 0 {
		t.Errorf("%s: %s %s: %s hit nothing", source, host, path, fault)
	}
}

// TestWritesPartly: of lists that are answered in part the rest may hold what the
// identity can write; the part that is there does not show that it reads.
func TestWritesPartly(t *testing.T) {
	for _, fault := range []string{"", "C5/500"} {
		r := accessRig(t, func(org *azuresim.Organisation) {
			for _, name := range []string{"P1", "P2", "P3", "P4", "P5"} {
				org.DevOps[0].Projects = append(org.DevOps[0].Projects, azuresim.Project{Name: name})
			}
			for _, name := range []string{"E1", "E2", "E3"} {
				org.Power.Environments = append(org.Power.Environments, azuresim.PowerEnvironment{Name: name, Dataverse: true})
			}
			if fault != "" {
				org.Faults = []azuresim.Fault{
					{ID: fault, Host: "devops", Path: "/contoso/_apis/projects", Page: 2, Count: -1},
					{ID: fault, Host: "power", Path: "*/scopes/admin/environments", Page: 2, Count: -1},
				}
			}
		})
		for _, source := range []string{"devops", "power"} {
			if a := r.access(t, source); a.Writes != (fault != "") {
				t.Errorf("%s, the second page %q: %+v", source, fault, a)
			}
		}
		if fault != "" && r.sim.Hits()[fault] < 2 {
			t.Errorf("the fault hit %d answers", r.sim.Hits()[fault])
		}
	}
}

// edited changes answers on their way.
type edited struct {
	next http.RoundTripper
	path string
	edit func([]byte) []byte
}

func (e edited) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := e.next.RoundTrip(q)
	if err != nil || !strings.Contains(q.URL.Path, e.path) {
		return resp, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	b = e.edit(b)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// TestWritesUnasked: evaluations that are left out, are of something else or are
// no answer do not show that the identity reads.
func TestWritesUnasked(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		writes   bool
	}{
		"as it was":         {"", "", false},
		"another token":     {`"token":"repoV2/`, `"token":"repoV3/`, true},
		"another bit":       {`"permissions":4,`, `"permissions":2,`, true},
		"no verdict":        {`"value":false`, `"value":null`, true},
		"a verdict in text": {`"value":false`, `"value":"false"`, true},
		"allowed":           {`"value":false`, `"value":true`, true},
	} {
		r := accessRig(t, nil)
		client := r.sim.Client()
		r.opts.Transport = &http.Client{Transport: edited{client.Transport, "permissionevaluationbatch", func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(c.old), []byte(c.new))
		}}}
		if c.old == "" {
			r.opts.Transport = client
		}
		if a := r.access(t, "devops"); a.Writes != c.writes {
			t.Errorf("%s: %+v", name, a)
		}
		client.CloseIdleConnections()
	}
}

// TestWritesGraph: a permission of Microsoft Graph reads if all words of its
// name are known to; any other one is named as writing.
func TestWritesGraph(t *testing.T) {
	reads := strings.Split("AuditLog.Read.All,Member.Read.Hidden,RoleManagement.Read.Directory,PrivilegedAccess.Read.AzureResources,User.ReadBasic.All,Chat.ReadBasic.WhereInstalled,"+
		"TeamsAppInstallation.ReadForTeam.All,Calendars.Read,Policy.Read.PermissionGrant,AuditLogsQuery-Entra.Read.All", ",")
	// Names of the reference, and two that a reader by prefix would take for readers.
	writes := strings.Split("Application.ReadUpdate.All,User.ReadWrite.All,Directory.Write.Restricted,TeamMember.ReadWriteNonOwnerRole.All,EduAssignments.ReadWriteBasic.All,"+
		"Group.Create,Sites.FullControl.All,Sites.Selected,Channel.Delete.All,InformationProtectionContent.Sign.All,Directory.AccessAsUser.All,"+
		"Application.ReadApprove.All,Application.Read.OwnedAndChange,Application,User.Read.All.More", ",")
	var ours []string
	for _, g := range graph.Permissions() {
		ours = append(ours, g.Name)
	}
	if got := newRigWith(t, "reader", func(org *azuresim.Organisation) { org.Identities[0].Roles = ours }).access(t, "graph"); got.Writes || len(ours) < 10 {
		t.Errorf("what we ask for: %+v", got)
	}
	for _, p := range append(slices.Clone(reads), writes...) {
		r := newRigWith(t, "reader", func(org *azuresim.Organisation) { org.Identities[0].Roles = []string{"Directory.Read.All", p} })
		got := r.access(t, "graph")
		if want := slices.Contains(writes, p); got.Writes != want || want && got.Why != p {
			t.Errorf("%s: %+v", p, got)
		}
	}
}

// TestWritesData: who may only read resources, and write what is in them, is a
// writer, whether by a role or by the permissions of the identity.
func TestWritesData(t *testing.T) {
	const writes, reads = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	for action, want := range map[string]bool{writes: true, reads: false} {
		for name, change := range map[string]func(*azuresim.Organisation){
			"permissions": func(org *azuresim.Organisation) { org.Identities[0].DataActions = []string{action} },
			"role": func(org *azuresim.Organisation) {
				org.RoleDefinitions = append(org.RoleDefinitions, azuresim.RoleDefinition{Name: "Blobs", Actions: []string{"*/read"}, DataActions: []string{action}})
				org.Identities[0].Access = []azuresim.Access{{Role: "Blobs", Scope: "managementGroup/root"}}
			},
		} {
			got := newRigWith(t, "reader", change).access(t, "arm")
			if got.Writes != want || want && !strings.Contains(got.Why, "blobs/write") {
				t.Errorf("%s %s: %+v", name, action, got)
			}
		}
	}
}
