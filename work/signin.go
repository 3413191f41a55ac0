// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"errors"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
)

// SignIn tries to sign in for the host of each source's first question, before
// anything is concluded from the answers: who cannot sign in is no writer, but
// nobody.
func SignIn(ctx context.Context, sources []collect.Source, o collect.Options) error {
	tried := map[collect.Host]bool{}
	for i := range sources {
		if len(sources[i].Asks) == 0 {
			continue
		}
		host := sources[i].Asks[0].Host
		if tried[host] || o.Endpoints.URL[host] == "" || strings.HasPrefix(o.Endpoints.URL[host], ".") {
			continue // not offered in this cloud, or a host for each environment
		}
		tried[host] = true
		if err := signIn(ctx, host, o); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			hint := "look at --auth, --tenant and --client; is the place of sign-in reachable from here? tickmark doctor tells each source apart"
			if host == collect.HostGitHub {
				hint = "GitHub has a sign-in of its own: --github-app and --github-key, and the App must be installed in the organisation; or leave it out with --exclude 'github=why'"
			}
			var known *tickmark.Error
			if errors.As(err, &known) && known.Hint != "" {
				hint = known.Hint
			}
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: sources[i].Name, What: "cannot sign in, so nothing was read", Hint: hint, Err: err}
		}
	}
	return nil
}

// TenantOf is the tenant that the identity signed in to, as its token for Azure
// Resource Manager names it.
func TenantOf(ctx context.Context, o collect.Options) (string, error) {
	header, _, err := o.Credentials.Token(ctx, collect.HostARM, o.Endpoints.Audience[collect.HostARM])
	if err != nil {
		return "", &tickmark.Error{Code: tickmark.CodeUsage, Where: "arm", What: "cannot sign in, so nothing was read", Hint: "sign in with az login, or choose another way with --auth", Err: err}
	}
	c, ok := claimsOf(header)
	if !ok || c.Tenant == "" {
		return "", &tickmark.Error{Code: tickmark.CodeUsage, Where: "--tenant", What: "which tenant? The token does not name it", Hint: "give the tenant's id: az account show --query tenantId"}
	}
	return strings.Clone(c.Tenant), nil
}

// signIn signs in for a host. GitHub has a token for each organisation: those
// that give none are not permitted in the coverage, and only when none gives
// one there is nothing to read.
func signIn(ctx context.Context, host collect.Host, o collect.Options) error {
	if host != collect.HostGitHub {
		_, _, err := o.Credentials.Token(ctx, host, o.Endpoints.Audience[host])
		return err
	}
	var all []error
	for _, s := range collect.GitHubSignIns(ctx, o) {
		if s.Err == nil {
			return nil
		}
		all = append(all, s.Err)
	}
	return errors.Join(all...)
}
