// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"fmt"
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
	teller, ok := o.Credentials.(collect.RightsTeller)
	if !ok {
		return "the sign-in does not tell what it may do", ""
	}
	all, err := teller.Rights(ctx, collect.HostGitHub)
	if err != nil {
		return "what it may do is not known: " + err.Error(), ""
	}
	var can, reads []string
	for _, r := range all {
		switch {
		case len(r.Granted) > 0:
			for _, name := range sortedNames(r.Granted) {
				if level := r.Granted[name]; level != "read" {
					can = append(can, fmt.Sprintf("%s: %s (%s)", name, level, r.Of))
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
			return "GitHub does not say what " + r.Of + " may do", ""
		}
	}
	switch {
	case len(all) == 0:
		return "GitHub does not say what it may do", ""
	case len(can) > 0:
		return strings.Join(can, "; "), ""
	}
	return "", strings.Join(reads, "; ")
}

// readingScope reports whether a scope of a classic token only reads. repo, for
// one, does not.
func readingScope(s string) bool {
	return strings.HasPrefix(s, "read:") || s == "user:email"
}
