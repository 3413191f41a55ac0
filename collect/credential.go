// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/tickmark/tickmark"
)

// SignIn says how the identity proves itself. There is no client secret.
type SignIn struct {
	// Kind is managedIdentity, workloadIdentity, certificate, deviceCode,
	// azureCLI or simulator; empty where only GitHub is read.
	Kind string
	// TenantID and ClientID are those of the app registration; of a managed
	// identity ClientID picks a user-assigned one.
	TenantID, ClientID string
	// Certificate is the file (PEM or PKCS #12) with certificate and key.
	Certificate string
	// TokenFile is the federated token of a workload identity.
	TokenFile string
	// Prompt shows the device code to the person.
	Prompt func(message string)
	// GitHub signs in there.
	GitHub GitHubSignIn
}

// Static is a credential with one fixed header, for tests.
type Static string

// Token implements Credentials.
func (s Static) Token(context.Context, Host, string) (header string, expires time.Time, err error) {
	return string(s), time.Unix(1<<40, 0), nil
}

// identityCredentials signs in with azidentity, pinned to the endpoints.
type identityCredentials struct {
	make   func() (azcore.TokenCredential, error)
	tenant string
	ends   Endpoints
	github *gitHubApp

	mu   sync.Mutex
	cred azcore.TokenCredential
}

// NewCredentials returns credentials for the endpoints. Sign-in happens when
// the first token is wanted.
func NewCredentials(e Endpoints, s SignIn, clock Clock) (Credentials, error) {
	clock = clockOf(clock, &e)
	tune := defaults()
	client := &http.Client{Transport: newRoundTripper(&e, &tune), Timeout: 2 * time.Minute}
	atAuthority := *client
	atAuthority.Transport = &authorityOnly{authority: e.Authority, next: client.Transport}
	c := &identityCredentials{tenant: s.TenantID, ends: e, github: newGitHubApp(s.GitHub, e.URL[HostGitHub], client, clock)}
	if err := c.github.check(); err != nil {
		return nil, err
	}
	if s.TenantID == "" {
		c.tenant = e.TenantID
	}
	if s.Kind == "simulator" && e.Live {
		return nil, usage("sign-in", "the simulator's sign-in is not for Microsoft's endpoints", "use certificate, managedIdentity or workloadIdentity")
	}
	if s.Kind != "" {
		if e.Authority == "" { // azidentity would take Microsoft's
			return nil, usage("authority", "the addresses name no place of sign-in", "write the file with tickmark sim")
		}
		if err := e.pinned(); err != nil {
			return nil, err
		}
	}
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: e.Authority, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{}},
		Transport: &atAuthority,
		Telemetry: policy.TelemetryOptions{ApplicationID: "tickmark"},
	}
	var err error
	c.make, err = maker(s, c.tenant, options, !e.Live)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// maker returns what makes the credential, so that a refused token can be
// replaced by one of a new credential, which has no old one in its cache.
// simulated says that the authority is not Microsoft's and vouches for itself.
func maker(s SignIn, tenant string, o azcore.ClientOptions, simulated bool) (func() (azcore.TokenCredential, error), error) {
	switch s.Kind {
	case "":
		return func() (azcore.TokenCredential, error) {
			return nil, errors.New("no sign-in is configured for Microsoft's clouds")
		}, nil
	case "managedIdentity":
		return func() (azcore.TokenCredential, error) {
			opts := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
			if s.ClientID != "" {
				opts.ID = azidentity.ClientID(s.ClientID)
			}
			opts.Transport = nil // the metadata service answers over plain http on a link-local address
			return azidentity.NewManagedIdentityCredential(opts)
		}, nil
	case "workloadIdentity":
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: o, ClientID: s.ClientID, TenantID: tenant, TokenFilePath: s.TokenFile, DisableInstanceDiscovery: simulated,
			})
		}, nil
	case "certificate":
		certs, key, err := readCertificate(s.Certificate)
		if err != nil {
			return nil, err
		}
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenant, s.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
				ClientOptions: o, DisableInstanceDiscovery: simulated, SendCertificateChain: true,
			})
		}, nil
	case "deviceCode":
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
				ClientOptions: o, ClientID: s.ClientID, TenantID: tenant, DisableInstanceDiscovery: simulated,
				UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
					if s.Prompt == nil {
						return errors.New("there is nobody to show the device code to")
					}
					s.Prompt(m.Message)
					return nil
				},
			})
		}, nil
	case "azureCLI":
		return func() (azcore.TokenCredential, error) {
			az, err := azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: tenant})
			return &azureCLI{TokenCredential: az, authority: o.Cloud.ActiveDirectoryAuthorityHost}, err
		}, nil
	case "simulator":
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenant, orElse(s.ClientID, "simulator"),
				func(context.Context) (string, error) { return simulatedAssertion(), nil },
				&azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
		}, nil
	}
	return nil, usage("sign-in", fmt.Sprintf("there is no sign-in %q", s.Kind), "use managedIdentity, workloadIdentity, certificate, deviceCode or azureCLI")
}

// azureCLI is az login, if az is set to the cloud whose authority is wanted: it
// asks the authority of its own cloud, whatever the resource.
type azureCLI struct {
	azcore.TokenCredential
	authority string
}

// GetToken implements azcore.TokenCredential.
func (a *azureCLI) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	out, err := exec.CommandContext(ctx, "az", "cloud", "show", "--query", "endpoints.activeDirectory", "--output", "tsv").Output()
	at := strings.TrimSpace(string(out))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		// The credential says so in its own words.
	case err != nil:
		return azcore.AccessToken{}, fmt.Errorf("az does not say which cloud it is set to (az cloud show): %w", err)
	case strings.TrimRight(at, "/") != strings.TrimRight(a.authority, "/"):
		return azcore.AccessToken{}, usage("sign-in", fmt.Sprintf("az is set to the cloud of %s, and these hosts take tokens of %s", hostOf(at), hostOf(a.authority)), elsewhere(a.authority))
	}
	return a.TokenCredential.GetToken(ctx, o)
}

// simulatedAssertion has the form of a federated token and no value.
func simulatedAssertion() string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(`{"aud":"api://AzureADTokenExchange","exp":4102444800}`)) + "." + part([]byte("simulated"))
}

func readCertificate(file string) ([]*x509.Certificate, crypto.PrivateKey, error) {
	b, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: file, What: "the certificate cannot be read", Err: err}
	}
	certs, key, err := azidentity.ParseCertificates(b, nil)
	if err != nil {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: file, What: "the certificate and its key cannot be used", Hint: "give a PEM or PKCS #12 file with both, without password", Err: err}
	}
	return certs, key, nil
}

// Token implements Credentials.
func (c *identityCredentials) Token(ctx context.Context, h Host, audience string) (header string, expires time.Time, err error) {
	if h == HostGitHub {
		return c.github.token(ctx, "", false)
	}
	return c.get(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimRight(audience, "/") + "/.default"}, TenantID: c.tenant, EnableCAE: true}, audience)
}

// Refresh implements refresher: claims of a challenge are passed on; else a new
// credential is made, which has no token in its cache.
func (c *identityCredentials) Refresh(ctx context.Context, h Host, audience, challenge string) (header string, expires time.Time, err error) {
	if h == HostGitHub {
		return c.github.token(ctx, "", true)
	}
	o := policy.TokenRequestOptions{Scopes: []string{strings.TrimRight(audience, "/") + "/.default"}, TenantID: c.tenant, EnableCAE: true, Claims: claimsOf(challenge)}
	if o.Claims == "" {
		c.mu.Lock()
		c.cred = nil
		c.mu.Unlock()
	}
	return c.get(ctx, o, audience)
}

// OrganisationToken implements OrganisationCredentials.
func (c *identityCredentials) OrganisationToken(ctx context.Context, organisation string, anew bool) (header string, expires time.Time, err error) {
	return c.github.token(ctx, organisation, anew)
}

func (c *identityCredentials) get(ctx context.Context, o policy.TokenRequestOptions, audience string) (header string, expires time.Time, err error) {
	if audience == "" {
		return "", time.Time{}, errors.New("the host has no audience")
	}
	c.mu.Lock()
	if c.cred == nil {
		c.cred, err = c.make()
	}
	cred := c.cred
	c.mu.Unlock()
	if err != nil {
		return "", time.Time{}, err
	}
	if a, _ := authorityOf(audience); c.ends.Live && a != "" && a != c.ends.Authority {
		return "", time.Time{}, fmt.Errorf("a token for %s is of %s, and the sign-in is at %s", hostOf(audience), hostOf(a), hostOf(c.ends.Authority))
	}
	t, err := cred.GetToken(ctx, o)
	if err != nil {
		return "", time.Time{}, signInError(err)
	}
	if err := c.ends.foreign(t.Token, c.tenant); err != nil {
		return "", time.Time{}, err
	}
	return "Bearer " + t.Token, c.ends.Clock.lasts(t.ExpiresOn), nil
}

// signInError keeps the service's code and text, and nothing of the request or
// of an answer that could not be read: there may be a token in it.
func signInError(err error) error {
	for _, mark := range []string{"raw message was:", "json message bytes were:"} {
		if text, _, found := strings.Cut(err.Error(), mark); found {
			err = fmt.Errorf("the place of sign-in answered what cannot be read: %s", clip(strings.TrimSpace(text)))
		}
	}
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil || failed.RawResponse.Body == nil {
		return err
	}
	b, e := io.ReadAll(io.LimitReader(failed.RawResponse.Body, 1<<16))
	if e != nil {
		return err
	}
	if s := readError(b); s.code() != "" {
		return fmt.Errorf("%s: %s", s.code(), s.message)
	}
	return err
}

// claimsOf reads the claims out of a challenge of continuous access evaluation
// (learn.microsoft.com/entra/identity-platform/claims-challenge).
func claimsOf(challenge string) string {
	_, rest, ok := strings.Cut(challenge, `claims="`)
	if !ok {
		return ""
	}
	raw, _, _ := strings.Cut(rest, `"`)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(raw); err == nil && json.Valid(b) {
			return string(b)
		}
	}
	return ""
}
