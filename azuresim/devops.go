// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// audienceDevOps is Azure DevOps as a resource in Entra ID.
const audienceDevOps = "499b84ac-1321-427f-aa17-267ca6975798"

func init() {
	for _, host := range []string{"devops", "devopsGraph", "devopsAudit", "devopsRelease", "devopsEntitlements"} {
		register(host, hostDef{
			handler: (*Sim).devopsHandler, audiences: []string{audienceDevOps}, failure: devopsError, empty: `{"count":0,"value":[]}`,
			// Azure DevOps answers a bad token in its own way: signIn.
			open: func(*http.Request) bool { return true },
		})
	}
}

// devopsError is the form of an error; the code is in typeKey.
func devopsError(code, message string) []byte {
	return fmt.Appendf(nil, `{"$id":"1","innerException":null,"message":%s,"typeName":%s,"typeKey":%s,"errorCode":0,"eventId":3000}`,
		quote(message), quote("Microsoft.TeamFoundation."+code+", Microsoft.TeamFoundation"), quote(code))
}

// ado is one organisation of Azure DevOps, made up.
type ado struct {
	*DevOpsOrganisation
	id       string
	projects []*adoProject
}

// adoCall is a request to Azure DevOps that has been taken apart.
type adoCall struct {
	s       *Sim
	w       http.ResponseWriter
	r       *http.Request
	org     *ado
	project *adoProject
	args    []string // what the stars of the route stand for
}

// route is an address below _apis; * stands for one segment.
type route struct {
	host, path string
	project    bool
	serve      func(c *adoCall)
}

func (s *Sim) devopsHandler() http.Handler {
	orgs := map[string]*ado{}
	for i := range s.org.DevOps {
		o := &s.org.DevOps[i]
		orgs[strings.ToLower(o.Name)] = s.newADO(o)
	}
	routes := slices.Concat(adoOrganisationRoutes(), adoProjectRoutes(), adoChangeRoutes(), adoPipelineRoutes())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.signedIn(w, r) || !s.devopsUnits(w, r) {
			return
		}
		seg := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		i := slices.Index(seg, "_apis")
		c := &adoCall{s: s, w: w, r: r}
		if c.org = orgs[strings.ToLower(seg[0])]; c.org == nil || i < 1 || i > 2 {
			c.missing("VssServiceException", "TF400898: An Internal Error Occurred.")
			return
		}
		if i == 2 {
			if c.project = c.org.find(seg[1]); c.project == nil || c.project.Hidden {
				c.missing("ProjectDoesNotExistWithNameException", "TF200016: The following project does not exist: "+seg[1]+". Verify that the name of the project is correct and that the project exists on the specified Azure DevOps Server.")
				return
			}
		}
		host := callOf(r).host
		for k := range routes {
			if t := &routes[k]; t.host == host && t.project == (i == 2) {
				if args, ok := fits(t.path, seg[i+1:]); ok {
					c.args = args
					t.serve(c)
					return
				}
			}
		}
		c.given(strings.ToLower(strings.Join(seg[i+1:], "/")))
	})
}

// fits matches segments to a route and returns what its stars stand for.
func fits(path string, seg []string) (args []string, ok bool) {
	want := strings.Split(path, "/")
	if len(want) != len(seg) {
		return nil, false
	}
	for i, w := range want {
		if w == "*" {
			args = append(args, seg[i])
		} else if !strings.EqualFold(w, seg[i]) {
			return nil, false
		}
	}
	return args, true
}

// signedIn checks the token as Azure DevOps does: 401 if there is one that is
// not accepted, else the page on which people sign in, with 203 or 302.
func (s *Sim) signedIn(w http.ResponseWriter, r *http.Request) bool {
	t, problem := s.bearerOf(r, audienceDevOps)
	if problem == "" {
		callOf(r).client = t
		return true
	}
	page := []byte("<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body>Sign in</body></html>")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-TFS-ProcessId", s.guid("process"))
	switch {
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		w.Header().Set("Location", s.Endpoint("login")+"/common/oauth2/authorize")
		s.write(w, r, http.StatusFound, page)
	case problem == "expired":
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.Endpoint("login")+"/"+s.org.Tenant.ID+`", error="invalid_token"`)
		s.write(w, r, http.StatusUnauthorized, page)
	default:
		s.write(w, r, http.StatusNonAuthoritativeInfo, page)
	}
	return false
}

// bearerOf finds the request's token; problem says what is wrong with it.
func (s *Sim) bearerOf(r *http.Request, audiences ...string) (t *bearer, problem string) {
	_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t = s.tokens[value]; {
	case t == nil:
		return nil, "unknown"
	case t.revoked:
		return nil, "expired"
	case !t.isFor(audiences):
		s.journal.Misdirected++
		return nil, "audience"
	case !s.Now().Before(t.expires):
		return nil, "expired"
	}
	return t, ""
}

// devopsUnits draws on the budget that the organisation gives an identity: 200
// units in five minutes, of which a small request takes a tenth. Who is near
// the end is told; who is past it has to wait.
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
func (s *Sim) devopsUnits(w http.ResponseWriter, r *http.Request) bool {
	const budget, perSecond = 2000, 2000.0 / 300
	left, wait := s.spend("devops", budget, perSecond)
	if left > budget/5 {
		return true
	}
	h := w.Header()
	h.Set("X-RateLimit-Resource", "core")
	h.Set("X-RateLimit-Limit", "200")
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left/10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(s.Now().Add(300e9).Unix(), 10))
	if wait == 0 {
		h.Set("X-RateLimit-Delay", "0.5")
		return true
	}
	h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	s.fail(w, r, http.StatusTooManyRequests, "RequestBlockedException", "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'core' in namespace 'User'.")
	return false
}

func (c *adoCall) missing(code, message string) {
	c.s.fail(c.w, c.r, http.StatusNotFound, code, message)
}

// given serves records of the organisation's file at addresses that have no
// route of their own.
func (c *adoCall) given(path string) {
	records := c.org.Records[path]
	if c.project != nil {
		records = c.project.Records[path]
	}
	if records == nil {
		c.missing("VssResourceNotFoundException", "The controller for path '"+c.r.URL.Path+"' was not found or does not implement IController.")
		return
	}
	c.list(values(c.s.rendered(records)), "")
}

// values make records of the file rows of a list.
func values(records [][]byte) []any {
	out := make([]any, len(records))
	for i, b := range records {
		out[i] = json.RawMessage(b)
	}
	return out
}

// rows make objects rows of a list.
func rows(objects []obj) []any {
	out := make([]any, len(objects))
	for i, o := range objects {
		out[i] = o
	}
	return out
}

// list answers with a page of rows. parameter names the one that gives the
// size; the next page is behind a header.
func (c *adoCall) list(all []any, top string) {
	if c.project != nil || c.org != nil {
		all = append(all, c.also()...)
	}
	size := max(len(all), 1)
	if top != "" {
		size = number(c.r, top, 100)
	}
	win, ok := c.s.window(c.r, parameter(c.r, "continuationToken"), len(all), size)
	if top == "" {
		win, ok = window{To: len(all)}, true
	}
	if !ok {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "InvalidContinuationTokenException", "The continuation token is not valid.")
		return
	}
	if win.Next != "" {
		c.w.Header().Set("x-ms-continuationtoken", win.Next)
	}
	c.page(all[win.From:win.To])
}

// also are records that the file adds to a list: key is the address.
func (c *adoCall) also() []any {
	_, path, _ := strings.Cut(c.r.URL.Path, "/_apis/")
	path = strings.ToLower(path)
	if c.project != nil {
		return values(c.s.rendered(c.project.Records[path]))
	}
	return values(c.s.rendered(c.org.Records[path]))
}

// skip answers with the rows that $top and $skip choose, as many as are asked
// for: a short page is the last one.
func (c *adoCall) skip(all []any) {
	size, from := max(number(c.r, "$top", 100), 1), number(c.r, "$skip", 0)
	win := window{Page: from/size + 1, From: min(from, len(all))}
	win.To = min(win.From+size, len(all))
	if win.To < len(all) {
		win.Next = pageToken(win.Page+1, win.To, 0)
	}
	callOf(c.r).page = win.Page
	c.s.injectPaging(c.r, &win, size, len(all))
	c.page(all[win.From:win.To])
}

func (c *adoCall) page(rows []any) {
	c.s.writeJSON(c.w, c.r, http.StatusOK, obj{"count": len(rows), "value": rows})
}

func (c *adoCall) one(v any) { c.s.writeJSON(c.w, c.r, http.StatusOK, v) }
