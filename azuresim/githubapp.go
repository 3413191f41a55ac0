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

// gitHubApp is the number of the App that may be installed.
const gitHubApp = "42"

// asApp answers what an App asks as itself; false where the request is another.
// https://docs.github.com/rest/apps/apps
func (c *hubCall) asApp(orgs map[string]*hub) bool {
	seg := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	id, org := "", (*hub)(nil)
	switch {
	case c.r.URL.Path == "/app/installations":
	case len(seg) >= 3 && seg[0] == "app" && seg[1] == "installations":
		id = seg[2]
	case len(seg) == 3 && seg[0] == "orgs" && seg[2] == "installation":
		org = orgs[strings.ToLower(seg[1])]
	default:
		return false
	}
	if problem := c.assertion(); problem != "" {
		c.s.fail(c.w, c.r, http.StatusUnauthorized, "401", problem)
		return true
	}
	var all []any
	for i := range c.s.org.GitHub {
		if o := orgs[strings.ToLower(c.s.org.GitHub[i].Name)]; !o.NoApp {
			all = append(all, c.installed(o))
			if strconv.Itoa(c.installationID(o)) == id {
				org = o
			}
		}
	}
	switch {
	case id == "" && len(seg) == 2:
		c.rows(all)
	case org == nil || org.NoApp:
		c.missing("Not Found")
	case len(seg) == 4 && seg[3] == "access_tokens" && c.r.Method == http.MethodPost:
		c.access(org)
	case c.r.Method == http.MethodGet && len(seg) == 3:
		c.one(c.installed(org))
	default:
		c.missing("Not Found")
	}
	return true
}

// assertion says what is wrong with the token of the App: who signed it is not
// looked at.
func (c *hubCall) assertion() string {
	_, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	seg := strings.Split(value, ".")
	if len(seg) != 3 {
		return "A JSON web token could not be decoded"
	}
	b, err := base64.RawURLEncoding.DecodeString(seg[1])
	var claims struct {
		Iss      string `json:"iss"`
		Iat, Exp int64
	}
	now := c.s.Now()
	switch {
	case err != nil || json.Unmarshal(b, &claims) != nil:
		return "A JSON web token could not be decoded"
	case claims.Iss != gitHubApp:
		return "Integration not found"
	case claims.Iat > now.Unix():
		return "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
	case claims.Exp <= now.Unix():
		return "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
	case claims.Exp > now.Add(10*time.Minute).Unix():
		return "'Expiration time' claim ('exp') is too far in the future"
	}
	return ""
}

func (c *hubCall) installationID(o *hub) int { return c.s.serialOf("installation", o.Name) }

func (c *hubCall) installed(o *hub) obj {
	was := c.org
	c.org = o
	out := obj{
		"id": c.installationID(o), "app_id": 42, "app_slug": "collector", "target_type": "Organization", "account": obj{"login": o.Name, "id": o.id, "type": "Organization"},
		"repository_selection": c.selection(), "suspended_at": nil, "permissions": o.permissions(),
	}
	c.org = was
	if o.Suspended {
		out["suspended_at"] = iso(c.s.epoch.AddDate(0, 0, -7))
	}
	return out
}

// access gives out a token for one installation.
func (c *hubCall) access(o *hub) {
	if o.Suspended {
		c.s.fail(c.w, c.r, http.StatusForbidden, "403", "This installation has been suspended")
		return
	}
	value, expires := c.s.mint("https://api.github.com", "github-app-"+gitHubApp, lifetime)
	c.s.mu.Lock()
	c.s.tokens[value].organisation = strings.ToLower(o.Name)
	c.s.mu.Unlock()
	c.s.writeJSON(c.w, c.r, http.StatusCreated, obj{"token": value, "expires_at": iso(expires), "permissions": o.permissions(), "repository_selection": "all"})
}

// permissions are those of the App that is installed on the organisation.
func (h *hub) permissions() map[string]string {
	if len(h.AppPermissions) > 0 {
		return h.AppPermissions
	}
	return map[string]string{"metadata": "read", "members": "read", "administration": "read", "contents": "read", "pull_requests": "read", "actions": "read"}
}

// states lists the scopes of a classic token in the answer; answers to an
// installation's and to a fine-grained one have none.
// https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
func (c *hubCall) states(t *bearer) {
	for i := range c.s.org.GitHub {
		if o := &c.s.org.GitHub[i]; o.TokenScopes != nil && t.organisation == "" {
			c.w.Header().Set("X-OAuth-Scopes", strings.Join(o.TokenScopes, ", "))
			return
		}
	}
}
