// SPDX-License-Identifier: Apache-2.0

package template

import (
	"strings"
	"testing"
)

// TestMapping reads the embedded table and holds it to what the issue asks for.
func TestMapping(t *testing.T) {
	table, err := parseMapping(azurermText)
	if err != nil {
		t.Fatal(err)
	}
	for typ := range strings.FieldsSeq(`azurerm_storage_account azurerm_mssql_server azurerm_mssql_database azurerm_key_vault azurerm_network_security_group
		azurerm_network_security_rule azurerm_virtual_network azurerm_subnet azurerm_network_interface azurerm_public_ip azurerm_linux_virtual_machine
		azurerm_windows_virtual_machine azurerm_managed_disk azurerm_linux_web_app azurerm_windows_web_app azurerm_linux_function_app azurerm_windows_function_app
		azurerm_kubernetes_cluster azurerm_container_registry azurerm_postgresql_flexible_server azurerm_mysql_flexible_server azurerm_cosmosdb_account
		azurerm_redis_cache azurerm_application_gateway`) {
		if len(table[typ]) == 0 {
			t.Errorf("%s has no mapping", typ)
		}
	}
	for typ, sections := range table {
		for i, s := range sections {
			if (len(s.id) == 0) == (s.patches == "") {
				t.Errorf("%s: a section needs either an id or a resource that it patches", typ)
			}
			if len(s.fields) == 0 || strings.Count(s.typ, "/") == 0 {
				t.Errorf("%s: section %d maps nothing or to no type", typ, i)
			}
			seen := map[string]bool{}
			for _, f := range s.fields {
				path := strings.Join(f.path, ".")
				if seen[path] {
					t.Errorf("%s: %s is mapped twice", typ, path)
				}
				seen[path] = true
				if f.each && len(f.fields) == 0 {
					t.Errorf("%s: the elements of %s have no fields", typ, path)
				}
			}
		}
	}
}

func TestMappingErrors(t *testing.T) {
	for text, want := range map[string]string{
		"azurerm_x\n":                                "line 1: want AZURERM_TYPE ARM_TYPE",
		"  a <- b\n":                                 "before the first type",
		"azurerm_x A/b\n  a < b\n":                   "line 2: want PATH <- ATTRIBUTE",
		"azurerm_x A/b\n  a <- b onoff On\n":         "onoff is no operation of 1 arguments",
		"azurerm_x A/b\n  a <- b nosuch\n":           "nosuch is no operation",
		"azurerm_x A/b\n  a <- b ?? {\n":             "line 2",
		"azurerm_x A/b\n  a = nope\n":                "line 2",
		"azurerm_x A/b\n  a <- b\n    c <- d\n":      "indentation",
		"azurerm_x A/b\n  a[] <- b\n      c <- d\n":  "indentation",
		"azurerm_x A/b\n  id group name\n  a <-  \n": "line 3: want PATH",
	} {
		if _, err := parseMapping(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", text, err, want)
		}
	}
}
