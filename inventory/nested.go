// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// nest says where the objects of a type carry children whole: under
// "properties" unless root is set.
type nest struct {
	member string
	key    jsontape.Key // of member
	root   bool
	typ    string // the child's type; empty: the parent's plus "/" + member
}

func plainNests(members ...string) []nest {
	n := make([]nest, len(members))
	for i, m := range members {
		n[i] = nest{member: m, key: jsontape.MakeKey(m)}
	}
	return n
}

// nests is keyed by the parent's type in lower case. It lists what ARM itself
// prints inside the parent with an id of its own.
var nests = map[string][]nest{
	"microsoft.network/networksecuritygroups": plainNests("securityRules", "defaultSecurityRules"),
	"microsoft.network/virtualnetworks":       plainNests("subnets", "virtualNetworkPeerings"),
	"microsoft.network/routetables":           plainNests("routes"),
	"microsoft.network/networkinterfaces":     plainNests("ipConfigurations"),
	"microsoft.network/loadbalancers": plainNests("frontendIPConfigurations", "backendAddressPools", "loadBalancingRules",
		"probes", "inboundNatRules", "inboundNatPools", "outboundRules"),
	"microsoft.network/applicationgateways": plainNests("gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts",
		"httpListeners", "sslCertificates", "backendAddressPools", "backendHttpSettingsCollection", "requestRoutingRules", "probes"),
	"microsoft.network/azurefirewalls": plainNests("applicationRuleCollections", "natRuleCollections", "networkRuleCollections"),
	"microsoft.network/frontdoors":     plainNests("frontendEndpoints", "backendPools", "routingRules"),
	"microsoft.compute/virtualmachines": {
		{member: "resources", key: jsontape.MakeKey("resources"), root: true, typ: "Microsoft.Compute/virtualMachines/extensions"},
	},
	"microsoft.network/virtualnetworkgateways": plainNests("ipConfigurations"),
}

// anywhere are children that the objects of many types carry.
var anywhere = plainNests("privateEndpointConnections")

// nestsOf lists the nests of a type given in lower case.
func nestsOf(lower string) []nest { return nests[lower] }

// arrayOf returns the parent's array for n; it is absent or unobserved where
// the parent does not carry it.
func (n nest) arrayOf(root jsontape.Value) jsontape.Value {
	if !n.root {
		root = root.Lookup(keyProperties)
	}
	return root.Lookup(n.key)
}

// childType is the canonical type of the children of a parent type.
func (n nest) childType(parent string) string {
	if n.typ != "" {
		return n.typ
	}
	return parent + "/" + n.member
}

// nestOf finds the nest that holds children of type child inside parent; both
// in lower case.
func nestOf(parent, child string) (nest, bool) {
	for _, list := range [2][]nest{nests[parent], anywhere} {
		for i := range list {
			if list[i].holds(parent, child) {
				return list[i], true
			}
		}
	}
	return nest{}, false
}

// holds reports whether child is the type of the nest's children inside parent.
func (n *nest) holds(parent, child string) bool {
	if n.typ != "" {
		return strings.EqualFold(n.typ, child)
	}
	return len(child) == len(parent)+1+len(n.member) && child[len(parent)] == '/' &&
		child[:len(parent)] == parent && strings.EqualFold(child[len(parent)+1:], n.member)
}
