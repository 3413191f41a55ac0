// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// installed are credentials of an App that is in some organisations.
type installed map[string]bool

func (installed) Token(context.Context, collect.Host, string) (string, time.Time, error) {
	return "", time.Time{}, errors.New("for which organisation?")
}

func (i installed) OrganisationToken(_ context.Context, org string, _ bool) (string, time.Time, error) {
	if i[org] {
		return "Bearer x", time.Unix(1<<40, 0), nil
	}
	return "", time.Time{}, fmt.Errorf("not installed in %s", org)
}

// TestSignInGitHub: one organisation that can be read is enough to begin; with
// none there is nothing to read, and the error says why of each.
func TestSignInGitHub(t *testing.T) {
	for _, c := range []struct {
		orgs string
		in   installed
		want []string
	}{
		{`["a","b"]`, installed{"b": true}, nil},
		{`["a","b"]`, installed{}, []string{"not installed in a", "not installed in b"}},
		{`[]`, installed{}, nil}, // nothing is asked
	} {
		err := work.SignIn(t.Context(), only(t, "github"), collect.Options{
			Root: []byte(`{"githubOrganizations":` + c.orgs + `}`), Credentials: c.in, Endpoints: collect.Endpoints{URL: map[collect.Host]string{collect.HostGitHub: "https://api.github.com"}},
		})
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s %v: %v", c.orgs, c.in, err)
		}
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v does not say %q", err, w)
			}
		}
	}
}
