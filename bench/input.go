// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/tickmark/tickmark/policy"
)

// mix is how often a type occurs among 1,000 resources of a SaaS on Azure;
// types without an entry share the rest evenly. It is that of the benchmarks
// in package work.
var mix = map[string]int{
	"Microsoft.Network/networkInterfaces": 110, "Microsoft.Compute/disks": 110, "Microsoft.Compute/virtualMachines": 90,
	"Microsoft.Network/networkSecurityGroups": 70, "Microsoft.Storage/storageAccounts": 90, "Microsoft.Network/publicIPAddresses": 40,
	"Microsoft.Web/sites": 60, "Microsoft.KeyVault/vaults": 40, "Microsoft.Sql/servers": 20, "Microsoft.Sql/servers/databases": 40,
	"Microsoft.Authorization/roleAssignments": 80, "Microsoft.Network/virtualNetworks": 30,
}

// shape is the text of one resource with places for what differs.
type shape struct{ typ, text string }

// export makes one Resource Graph answer with n resources of about 2 KB from
// the catalogue's shapes; the same n gives the same bytes.
func export(root string, n int) ([]byte, error) {
	shapes, draw, err := loadShapes(filepath.Join(root, "catalog", "testdata", "shapes"))
	if err != nil {
		return nil, err
	}
	var w bytes.Buffer
	w.Grow(n * 2400)
	rnd := rand.New(rand.NewPCG(1, 2))
	fmt.Fprintf(&w, `{"totalRecords":%d,"count":%d,"data":[`, n, n)
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		sh := shapes[draw[rnd.IntN(len(draw))]]
		name := fmt.Sprintf("res-%06d", i)
		r := strings.NewReplacer("@ID@", idOf(sh.typ, name, i), "@NAME@", name, "@N12@", fmt.Sprintf("%012d", i), "@N@", fmt.Sprint(i%5000))
		_, _ = r.WriteString(&w, sh.text)
	}
	w.WriteString(`],"facets":[],"resultTruncated":"false"}`)
	return w.Bytes(), nil
}

func idOf(typ, name string, i int) string {
	seg := strings.Split(typ, "/")
	id := fmt.Sprintf("/subscriptions/00000000-0000-4000-8000-%012d/resourceGroups/rg-%03d/providers/%s", i%40, i%400, seg[0])
	for k, t := range seg[1:] {
		n := name
		if k < len(seg)-2 {
			n = "parent-" + name
		}
		id += "/" + t + "/" + n
	}
	return id
}

func loadShapes(dir string) (shapes []shape, draw []int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "Microsoft.*.json"))
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, nil, err
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, nil, fmt.Errorf("read shape %s: %w", f, err)
		}
		typ, _ := m["type"].(string)
		if id, _ := m["id"].(string); typ == "" || !strings.Contains(id, "/providers/") {
			continue
		}
		fill(m, len(shapes))
		out, err := json.MarshalIndent(m, "  ", "  ")
		if err != nil {
			return nil, nil, err
		}
		shapes = append(shapes, shape{typ, string(out)})
	}
	if len(shapes) < 20 {
		return nil, nil, fmt.Errorf("%s holds %d shapes of resources, want at least 20", dir, len(shapes))
	}
	rest := 1000
	for _, v := range mix {
		rest -= v
	}
	for i, sh := range shapes {
		k := mix[sh.typ]
		if k == 0 {
			k = max(1, rest/len(shapes))
		}
		for range k {
			draw = append(draw, i)
		}
	}
	return shapes, draw, nil
}

// fill gives a shape the places and the bulk that real resources have.
func fill(m map[string]any, i int) {
	m["id"], m["name"] = "@ID@", "@NAME@"
	m["tags"] = map[string]any{"env": "prod", "owner": "team-@N@", "costCenter": "cc-@N@", "dataClass": "confidential", "createdBy": "pipeline-@N@@example.com"}
	m["systemData"] = map[string]any{
		"createdBy": "deploy-@N@", "createdByType": "Application", "createdAt": "2026-03-01T08:00:00Z",
		"lastModifiedBy": "deploy-@N@", "lastModifiedByType": "Application", "lastModifiedAt": "2026-06-01T08:00:00Z",
	}
	if p, ok := m["properties"].(map[string]any); ok {
		p["description"] = strings.Repeat("provisioned for workload @N@ by the platform pipeline; ", 1+i%8)
		p["resourceGuid"] = "00000000-0000-4000-8000-@N12@"
	}
}

// publicPolicies reads Microsoft's public definitions and the shared aliases
// below shared/data.
func publicPolicies(shared string) (*policy.Library, error) {
	f, err := os.Open(filepath.Join(shared, "data", "azure-policy-builtins.tar.gz"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	imp := &policy.Import{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(h.Name, ".json") {
			b, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			imp.Add(h.Name, b)
		}
	}
	c := policy.NewCatalog()
	c.Fallback = policy.NewCatalog()
	for name, to := range map[string]*policy.Catalog{"policy-aliases.gz": c, "aliases-soc2.csv": c.Fallback} {
		b, err := os.ReadFile(filepath.Join(shared, "data", name))
		if err != nil {
			return nil, err
		}
		if err := to.AddAliases(name, b); err != nil {
			return nil, err
		}
	}
	return imp.Library(c), nil
}

// soc2 binds Microsoft's SOC 2 initiative to an assignment at the root scope,
// with a list of approved extensions, without which every extension violates.
func soc2(l *policy.Library) (*policy.Assigned, error) {
	a, err := policy.ParseAssignment("soc2.json", []byte(`{"id":"/providers/Microsoft.Authorization/policyAssignments/soc2","properties":{"scope":"/",
		"policyDefinitionId":"/providers/Microsoft.Authorization/policySetDefinitions/4054785f-702b-4a98-9215-009cbd58b141",
		"parameters":{"approvedExtensions-c0e996f8-39cf-4af9-9f45-83fbde810432":{"value":["AzureMonitorLinuxAgent","AzureMonitorWindowsAgent","AzurePolicyforLinux"]}}}}`))
	if err != nil {
		return nil, err
	}
	return policy.Assign(a, l)
}
