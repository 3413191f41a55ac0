// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() {
	for cloud, name := range logins {
		register(name, hostDef{handler: func(s *Sim) http.Handler { return s.loginHandler(cloud) }, failure: func(code, message string) []byte {
			return fmt.Appendf(nil, `{"error":%s,"error_description":%s,"error_codes":[]}`, quote(code), quote(message))
		}})
	}
	// Nobody may be sent to foreign: what arrives there is counted.
	register("foreign", hostDef{handler: func(s *Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.journal.Foreign++
			if r.Header.Get("Authorization") != "" || slices.ContainsFunc(proofs, func(p string) bool { return r.PostFormValue(p) != "" }) {
				s.journal.WithToken++
			}
			s.mu.Unlock()
			s.write(w, r, http.StatusOK, []byte(`{"value":[]}`))
		})
	}})
}

// logins are the hosts that sign in, by Azure cloud. A tenant is at one of them.
var logins = map[string]string{"public": "login", "usGovernment": "loginUSGovernment", "china": "loginChina"}

// login is where the tenant signs in.
func (s *Sim) login() string { return s.Endpoint(logins[s.org.Tenant.cloud()]) }

// abroad are the audiences of hosts that have others than in the public cloud,
// by Azure cloud and Microsoft 365 environment (learn.microsoft.com/graph/deployments;
// learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure).
var abroad = map[string]map[string][]string{
	"usGovernment": {
		"arm":          {"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"},
		"logAnalytics": {"https://api.loganalytics.us"},
	},
	"china": {
		"arm":          {"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"},
		"logAnalytics": {"https://api.loganalytics.azure.cn"},
		"graph":        {"https://microsoftgraph.chinacloudapi.cn", graphAppID},
		"power":        {"https://service.powerapps.cn/"},
		"powerApi":     {"https://api.powerplatform.partner.microsoftonline.cn"},
	},
	"gcc": {
		"power":    {"https://gov.service.powerapps.us/"},
		"powerApi": {"https://api.gov.powerplatform.microsoft.us"},
	},
	"gccHigh": {
		"graph":    {"https://graph.microsoft.us", graphAppID},
		"power":    {"https://high.service.powerapps.us/"},
		"powerApi": {"https://api.high.powerplatform.microsoft.us"},
	},
	"dod": {
		"graph":    {"https://dod-graph.microsoft.us", graphAppID},
		"power":    {"https://service.apps.appsplatform.us/"},
		"powerApi": {"https://api.appsplatform.us"},
	},
}

// audiences are the resources for which a token is good at a host.
func (s *Sim) audiences(host string) []string {
	for _, place := range []string{s.org.Tenant.microsoft365(), s.org.Tenant.cloud()} {
		if a := abroad[place][host]; a != nil {
			return a
		}
	}
	return hosts[host].audiences
}

// knows reports whether the tenant has the resource: it has none of the hosts
// of other clouds. What is nobody's, such as an environment's address, it has.
func (s *Sim) knows(resource string) bool {
	t := &bearer{audience: resource}
	elsewhere := false
	for host, def := range hosts {
		if t.isFor(s.audiences(host)) {
			return true
		}
		elsewhere = elsewhere || t.isFor(def.audiences)
		for _, place := range abroad {
			elsewhere = elsewhere || t.isFor(place[host])
		}
	}
	return !elsewhere
}

// unknownResource is what the sign-in says of a resource of another cloud.
func (s *Sim) unknownResource(resource string) string {
	return fmt.Sprintf("AADSTS500011: The resource principal named %s was not found in the tenant named %s.", resource, s.org.Tenant.ID)
}

// proofs are the fields of a sign-in that prove who signs in.
var proofs = []string{"client_assertion", "client_secret", "refresh_token", "device_code", "assertion"}

// Canary is in every token that the simulator gives out: where it is found, a
// token was kept.
const Canary = "tickmarkCanary"

// bearer is a token that was given out.
type bearer struct {
	client   string
	audience string
	expires  time.Time
	revoked  bool
	identity *Identity
	// organisation is the one of GitHub that an installation's token is for,
	// lower-case; empty is a person's token.
	organisation string
}

func (t *bearer) isFor(audiences []string) bool {
	return slices.ContainsFunc(audiences, func(a string) bool {
		return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(t.audience, "/"))
	})
}

// lifetime of tokens, as Entra ID gives them to applications at the least.
const lifetime = time.Hour

// mint gives out a token for an audience.
func (s *Sim) mint(audience, client string, life time.Duration) (string, time.Time) { //nolint:unparam // tests want tokens that end sooner
	now := s.Now()
	if c := s.opts.Clock; c != nil { // who holds it measures its life by the machine's clock
		life = time.Duration(float64(life) * max(1, c.Rate))
	}
	id := s.identity(client)
	claims := map[string]any{
		"aud": audience, "iss": s.login() + "/" + s.org.Tenant.ID + "/v2.0", "tid": s.org.Tenant.ID,
		"appid": client, "azp": client, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(), "idtyp": "app", "ver": "2.0",
	}
	claims["oid"] = s.guid("principal", client)
	if id != nil {
		claims["oid"] = id.ObjectID
		if slices.Contains(s.audiences("graph"), audience) {
			claims["roles"] = id.Roles
		}
	}
	body, _ := json.Marshal(claims) // strings and numbers have a form
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	h := s.hash("token", client, audience, strconv.Itoa(s.serial))
	value := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"simulated"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(body) + "." + Canary + base64.RawURLEncoding.EncodeToString(h[:])
	s.tokens[value] = &bearer{client: client, audience: audience, expires: now.Add(life), identity: id}
	return value, now.Add(life)
}

// identity finds who signs in; nil if nobody is listed or the client is unknown.
func (s *Sim) identity(client string) *Identity {
	for i := range s.org.Identities {
		if strings.EqualFold(s.org.Identities[i].ClientID, client) {
			return &s.org.Identities[i]
		}
	}
	return nil
}

// loginHandler serves what azidentity and the managed identity protocols ask,
// at the sign-in of a cloud. Where that is not the tenant's, it is not known.
func (s *Sim) loginHandler(cloud string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /common/discovery/instance", s.discovery)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.openID)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/devicecode", s.deviceCode)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.tokenRequest)
	if home := s.org.Tenant.cloud(); cloud != home {
		mux = http.NewServeMux()
		mux.HandleFunc("/{tenant}/", func(w http.ResponseWriter, r *http.Request) {
			// learn.microsoft.com/entra/identity-platform/reference-error-codes
			if cloud == "public" && home == "usGovernment" {
				s.fail(w, r, http.StatusBadRequest, "invalid_request", "AADSTS900439: USGClientNotSupportedOnPublicEndpoint.")
				return
			}
			s.fail(w, r, http.StatusBadRequest, "invalid_tenant", fmt.Sprintf("AADSTS90002: Tenant '%s' not found.", r.PathValue("tenant")))
		})
	}
	mux.HandleFunc("GET /msi/token", s.managedIdentity)
	mux.HandleFunc("GET /metadata/identity/oauth2/token", s.managedIdentity)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, "invalid_request", "there is no such address")
	})
	return mux
}

func (s *Sim) discovery(w http.ResponseWriter, r *http.Request) {
	host := strings.TrimPrefix(s.login(), "https://")
	s.writeJSON(w, r, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.login() + "/" + s.org.Tenant.ID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

func (s *Sim) knownTenant(w http.ResponseWriter, r *http.Request) bool {
	t := r.PathValue("tenant")
	if strings.EqualFold(t, s.org.Tenant.ID) || slices.Contains(s.org.Tenant.Domains, t) || t == "organizations" || t == "common" {
		return true
	}
	s.fail(w, r, http.StatusBadRequest, "invalid_tenant", fmt.Sprintf("AADSTS90002: Tenant '%s' not found.", t))
	return false
}

func (s *Sim) openID(w http.ResponseWriter, r *http.Request) {
	if !s.knownTenant(w, r) {
		return
	}
	base := s.login() + "/" + s.org.Tenant.ID
	s.writeJSON(w, r, http.StatusOK, map[string]any{
		"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"device_authorization_endpoint": base + "/oauth2/v2.0/devicecode", "issuer": base + "/v2.0", "jwks_uri": base + "/discovery/v2.0/keys",
	})
}

func (s *Sim) deviceCode(w http.ResponseWriter, r *http.Request) {
	if !s.knownTenant(w, r) {
		return
	}
	code := "device-" + s.guid("device", r.PostFormValue("scope"), r.PostFormValue("client_id"))
	s.writeJSON(w, r, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "SIM-CODE", "verification_uri": s.login() + "/device", "expires_in": 900, "interval": 1,
		"message": "Simulated: nobody needs to enter the code.",
	})
}

// tokenRequest answers the grants that need no browser: client credentials with
// a certificate or a federated assertion, device code, refresh.
func (s *Sim) tokenRequest(w http.ResponseWriter, r *http.Request) {
	if !s.knownTenant(w, r) {
		return
	}
	if s.stateFault("C14/refused") {
		s.fail(w, r, http.StatusUnauthorized, "invalid_client", "AADSTS7000222: The provided client secret keys or certificates are expired.")
		return
	}
	client, audience := r.PostFormValue("client_id"), audienceOf(r.PostFormValue("scope"))
	if audience == "" {
		s.fail(w, r, http.StatusBadRequest, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
		return
	}
	if !s.knows(audience) {
		s.fail(w, r, http.StatusBadRequest, "invalid_resource", s.unknownResource(audience))
		return
	}
	if len(s.org.Identities) > 0 && s.identity(client) == nil {
		s.fail(w, r, http.StatusBadRequest, "unauthorized_client", fmt.Sprintf("AADSTS700016: Application with identifier '%s' was not found in the directory.", client))
		return
	}
	switch grant := r.PostFormValue("grant_type"); grant {
	case "client_credentials":
		if problem := s.assertionProblem(r); problem != "" {
			s.fail(w, r, http.StatusUnauthorized, "invalid_client", problem)
			return
		}
	case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
		// The person enters the code between the first and the second question.
		s.mu.Lock()
		s.devices[r.PostFormValue("device_code")]++
		first := s.devices[r.PostFormValue("device_code")] == 1
		s.mu.Unlock()
		if first {
			s.fail(w, r, http.StatusBadRequest, "authorization_pending", "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending.")
			return
		}
	case "refresh_token":
	default:
		s.fail(w, r, http.StatusBadRequest, "unsupported_grant_type", fmt.Sprintf("AADSTS70003: The app requested an unsupported grant type '%s'.", grant))
		return
	}
	value, _ := s.mint(audience, client, lifetime)
	out := map[string]any{"token_type": "Bearer", "expires_in": int(lifetime.Seconds()), "ext_expires_in": int(lifetime.Seconds()), "access_token": value, "scope": r.PostFormValue("scope")}
	if r.PostFormValue("grant_type") != "client_credentials" {
		out["refresh_token"] = "refresh-" + Canary + s.guid("refresh", client)
		out["client_info"] = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"uid":%q,"utid":%q}`, s.guid("uid"), s.org.Tenant.ID))
		out["id_token"] = s.idToken(client)
	}
	s.writeJSON(w, r, http.StatusOK, out)
}

func (s *Sim) idToken(client string) string {
	now := s.Now()
	body, _ := json.Marshal(map[string]any{
		"aud": client, "iss": s.login() + "/" + s.org.Tenant.ID + "/v2.0", "tid": s.org.Tenant.ID, "oid": s.guid("uid"), "sub": s.guid("sub"),
		"preferred_username": "auditor@" + s.domain(), "iat": now.Unix(), "exp": now.Add(lifetime).Unix(), "ver": "2.0",
	})
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
}

// audienceOf is the resource of the first scope that names one:
// https://host/.default.
func audienceOf(scope string) string {
	for f := range strings.FieldsSeq(scope) {
		if i := strings.LastIndexByte(f, '/'); i > 0 && !strings.HasSuffix(f, "://") {
			return strings.TrimSuffix(f[:i], "/")
		}
	}
	return ""
}

// assertionProblem says what is wrong with how the client proves itself; empty
// when nothing is. Signatures are not verified: there is nobody to forge them.
func (s *Sim) assertionProblem(r *http.Request) string {
	assertion := r.PostFormValue("client_assertion")
	if assertion == "" {
		if r.PostFormValue("client_secret") != "" {
			return ""
		}
		return "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
	}
	seg := strings.Split(assertion, ".")
	if len(seg) != 3 {
		return "AADSTS50027: JWT token is invalid or malformed."
	}
	b, err := base64.RawURLEncoding.DecodeString(seg[1])
	var claims struct {
		Exp json.Number     `json:"exp"`
		Aud json.RawMessage `json:"aud"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return "AADSTS50027: JWT token is invalid or malformed."
	}
	// The certificate form is made for this very address, by the host's clock;
	// a federated assertion is made elsewhere for a token exchange.
	audience := string(claims.Aud)
	if !strings.Contains(audience, "TokenExchange") && !strings.Contains(audience, strings.TrimPrefix(s.login(), "https://")) {
		return "AADSTS700023: Client assertion audience claim does not match Realm issuer."
	}
	return ""
}

// managedIdentity answers as the endpoint of a virtual machine or App Service.
func (s *Sim) managedIdentity(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Metadata"), "true") && r.Header.Get("X-IDENTITY-HEADER") == "" {
		s.fail(w, r, http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
		return
	}
	client := parameter(r, "client_id")
	if client == "" && len(s.org.Identities) > 0 {
		client = s.org.Identities[0].ClientID
	}
	audience := strings.TrimSuffix(parameter(r, "resource"), "/")
	if u, err := url.Parse(audience); err != nil || audience == "" || u.Path != "" && u.Scheme != "" || !s.knows(audience) {
		s.fail(w, r, http.StatusBadRequest, "invalid_resource", s.unknownResource(audience))
		return
	}
	value, expires := s.mint(audience, client, lifetime)
	s.writeJSON(w, r, http.StatusOK, map[string]any{
		"access_token": value, "client_id": client, "expires_in": strconv.Itoa(int(lifetime.Seconds())), "expires_on": strconv.FormatInt(expires.Unix(), 10),
		"resource": audience, "token_type": "Bearer",
	})
}

// authority is a certificate authority made at the start, with the leaves that
// the hosts show: a good one, one that has expired and one of a stranger.
type authority struct {
	pem                    []byte
	cert                   *x509.Certificate
	good, expired, foreign *tls.Certificate
}

// The certificates hold for any simulated time, because clients check them
// against their own clocks.
var validFrom, validTo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority() (*authority, error) {
	a := &authority{}
	key, cert, err := root("tickmark simulator")
	if err != nil {
		return nil, err
	}
	a.cert = cert
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if a.good, err = leaf(key, cert, validTo); err != nil {
		return nil, err
	}
	if a.expired, err = leaf(key, cert, validFrom.AddDate(1, 0, 0)); err != nil {
		return nil, err
	}
	stranger, strangerCert, err := root("tickmark stranger")
	if err != nil {
		return nil, err
	}
	a.foreign, err = leaf(stranger, strangerCert, validTo)
	return a, err
}

func root(name string) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the simulator's key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"tickmark simulator, not Microsoft"}},
		NotBefore: validFrom, NotAfter: validTo,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the simulator's authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return key, cert, err
}

func leaf(key *ecdsa.PrivateKey, parent *x509.Certificate, to time.Time) (*tls.Certificate, error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a host's key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: validFrom, NotAfter: to,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &own.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a host's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}, nil
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// certificate chooses what a host shows: faults may want another one.
func (s *Sim) certificate(host string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch s.connectionFault(host) {
		case "expired":
			return s.ca.expired, nil
		case "stranger":
			return s.ca.foreign, nil
		}
		return s.ca.good, nil
	}
}
