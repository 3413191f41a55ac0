// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// gitHubWriter says what the identity can write on GitHub. The answer that gives
// an App's installation its token lists its permissions, with read, write or
// admin; answers to a classic personal access token list its scopes; what a
// fine-grained one may do GitHub does not tell.
// https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
// https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
func gitHubWriter(ctx context.Context, o collect.Options) (why, shown string) {
	var root struct {
		Organisations []string `json:"githubOrganizations"`
	}
	teller, ok := o.Credentials.(collect.RightsTeller)
	switch {
	case !ok:
		return "the sign-in does not tell what it may do", ""
	case json.Unmarshal(o.Root, &root) != nil || len(root.Organisations) == 0:
		return "no organisation of GitHub was named, so what it may do there was not asked", ""
	}
	var can, reads []string
	for _, name := range root.Organisations {
		r, err := teller.OrganisationRights(ctx, name)
		switch {
		case err != nil:
			can = append(can, "what it may do in "+name+" is not known: "+err.Error())
		case len(r.Granted) > 0:
			for _, p := range sortedNames(r.Granted) {
				if level := r.Granted[p]; level != "read" {
					can = append(can, fmt.Sprintf("%s: %s (%s)", p, level, r.Of))
				}
			}
			reads = append(reads, fmt.Sprintf("all %d permissions of %s are read", len(r.Granted), r.Of))
		case r.Scopes != nil:
			for _, s := range r.Scopes {
				if !readingScope(s) {
					can = append(can, fmt.Sprintf("the scope %s (%s)", s, r.Of))
				}
			}
			reads = append(reads, "the scopes of "+r.Of+" only read: "+strings.Join(append([]string{"public information"}, r.Scopes...), ", "))
		default:
			can = append(can, "GitHub does not say what "+r.Of+" may do")
		}
	}
	if len(can) > 0 {
		return strings.Join(slices.Compact(can), "; "), ""
	}
	return "", strings.Join(slices.Compact(reads), "; ")
}

// readingScope reports whether a scope of a classic token only reads. repo, for
// one, does not.
func readingScope(s string) bool {
	return strings.HasPrefix(s, "read:") || s == "user:email"
}
