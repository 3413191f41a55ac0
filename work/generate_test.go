// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mix is how often a type occurs among 1,000 resources of a SaaS on Azure;
// types without an entry share the rest evenly.
var mix = map[string]int{
	"Microsoft.Network/networkInterfaces": 110, "Microsoft.Compute/disks": 110, "Microsoft.Compute/virtualMachines": 90,
	"Microsoft.Network/networkSecurityGroups": 70, "Microsoft.Storage/storageAccounts": 90, "Microsoft.Network/publicIPAddresses": 40,
	"Microsoft.Web/sites": 60, "Microsoft.KeyVault/vaults": 40, "Microsoft.Sql/servers": 20, "Microsoft.Sql/servers/databases": 40,
	"Microsoft.Authorization/roleAssignments": 80, "Microsoft.Network/virtualNetworks": 30,
}

// generate writes n resources with realistic shapes (catalog/testdata/shapes)
// and filler properties to JSON, about 2 KB each; the same seed gives the same
// bytes. change is the share of resources whose properties differ from those
// of change 0, so that a second collection can be imitated.
func generate(tb testing.TB, path string, n int, change float64) int64 {
	tb.Helper()
	shapes := loadShapes(tb)
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	rnd := rand.New(rand.NewPCG(1, 2))
	w.WriteString(`{"totalRecords":` + fmt.Sprint(n) + `,"count":` + fmt.Sprint(n) + `,"data":[`)
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		w.Write(shapes.object(i, rnd, change))
	}
	w.WriteString(`],"facets":[],"resultTruncated":"false"}`)
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return st.Size()
}

type shape struct {
	typ  string
	body []byte
}

type shapeSet struct {
	shapes []shape
	draw   []int // indexes into shapes, as often as the mix says
}

func loadShapes(tb testing.TB) *shapeSet {
	tb.Helper()
	files, err := filepath.Glob("../catalog/testdata/shapes/Microsoft.*.json")
	if err != nil || len(files) < 20 {
		tb.Fatalf("%d shapes, %v", len(files), err)
	}
	s := &shapeSet{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			tb.Fatal(f, err)
		}
		typ, _ := m["type"].(string)
		id, _ := m["id"].(string)
		if typ == "" || !strings.Contains(id, "/providers/") {
			continue
		}
		m["id"], m["name"] = "@ID@", "@NAME@"
		m["tags"] = map[string]any{"env": "prod", "owner": "team-@N@", "costCenter": "cc-@N@", "dataClass": "confidential", "createdBy": "pipeline-@N@@example.com"}
		m["systemData"] = map[string]any{
			"createdBy": "deploy-@N@", "createdByType": "Application", "createdAt": "2026-03-01T08:00:00Z",
			"lastModifiedBy": "deploy-@N@", "lastModifiedByType": "Application", "lastModifiedAt": "@CHANGED@",
		}
		if p, ok := m["properties"].(map[string]any); ok {
			p["description"] = strings.Repeat("provisioned for workload @N@ by the platform pipeline; ", 1+len(s.shapes)%8)
			p["resourceGuid"] = "00000000-0000-4000-8000-@N12@"
		}
		out, err := json.MarshalIndent(m, "  ", "  ")
		if err != nil {
			tb.Fatal(err)
		}
		s.shapes = append(s.shapes, shape{typ, out})
	}
	rest := 1000
	for _, v := range mix {
		rest -= v
	}
	for i, sh := range s.shapes {
		k := mix[sh.typ]
		if k == 0 {
			k = max(1, rest/len(s.shapes))
		}
		for range k {
			s.draw = append(s.draw, i)
		}
	}
	return s
}

// object makes resource i.
func (s *shapeSet) object(i int, rnd *rand.Rand, change float64) []byte {
	sh := s.shapes[s.draw[rnd.IntN(len(s.draw))]]
	changed := "2026-06-01T08:00:00Z"
	if rnd.Float64() < change {
		changed = "2026-06-15T09:30:00Z"
	}
	sub := fmt.Sprintf("00000000-0000-4000-8000-%012d", i%40)
	group := fmt.Sprintf("rg-%03d", i%400)
	name := fmt.Sprintf("res-%06d", i)
	id := "/subscriptions/" + sub + "/resourceGroups/" + group + "/providers/"
	seg := strings.Split(sh.typ, "/")
	id += seg[0]
	for k, t := range seg[1:] {
		n := name
		if k < len(seg)-2 {
			n = "parent-" + name
		}
		id += "/" + t + "/" + n
	}
	r := strings.NewReplacer("@ID@", id, "@NAME@", name, "@CHANGED@", changed, "@N12@", fmt.Sprintf("%012d", i), "@N@", fmt.Sprint(i%5000))
	return []byte(r.Replace(string(sh.body)))
}
