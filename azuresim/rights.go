// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// permissions are those of the App that is installed on the organisation.
func (h *hub) permissions() map[string]string {
	if len(h.App.Permissions) > 0 {
		return h.App.Permissions
	}
	return map[string]string{"metadata": "read", "members": "read", "administration": "read", "contents": "read", "pull_requests": "read", "actions": "read"}
}

const appClient = "GitHub App "

// states lists the scopes of a classic token in the answer; those of an App and
// fine-grained ones have none.
func (c *hubCall) states(t *bearer) {
	for i := range c.s.org.GitHub {
		if o := &c.s.org.GitHub[i]; o.TokenScopes != nil && !strings.HasPrefix(t.client, appClient) {
			c.w.Header().Set("X-OAuth-Scopes", strings.Join(o.TokenScopes, ", "))
			return
		}
	}
}

// installationToken gives an App the token of one of its installations. The
// App's own token is read, and its signature not verified.
// https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
func (c *hubCall) installationToken() {
	seg := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	if len(seg) != 4 || seg[3] != "access_tokens" {
		c.missing("Not Found")
		return
	}
	_, assertion, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	var claims struct {
		Issuer any   `json:"iss"`
		Exp    int64 `json:"exp"`
	}
	parts := strings.Split(assertion, ".")
	if len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(b, &claims) // what cannot be read is refused below
		}
	}
	if claims.Issuer == nil || time.Unix(claims.Exp, 0).Before(c.s.Now()) {
		c.s.fail(c.w, c.r, http.StatusUnauthorized, "401", "A JSON web token could not be decoded")
		return
	}
	for i := range c.s.org.GitHub {
		o := &c.s.org.GitHub[i]
		app, installation := first(o.App.ID, "42"), first(o.App.Installation, strconv.Itoa(4711+i))
		if installation != seg[2] {
			continue
		}
		if claims.Issuer != app {
			break
		}
		value, expires := c.s.mint("https://api.github.com", appClient+app, lifetime)
		h := &hub{GitHubOrganisation: o}
		c.s.writeJSON(c.w, c.r, http.StatusCreated, obj{"token": value, "expires_at": iso(expires), "permissions": h.permissions(), "repository_selection": "all"})
		return
	}
	c.missing("Integration not found")
}
