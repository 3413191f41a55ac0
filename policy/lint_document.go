// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// documentRules are about the definition as a whole.
var documentRules = []*LintRule{
	{
		ID: "syntax", Severity: LintError, Title: "The text is no policy definition",
		Why: "Azure refuses it. The message says what was expected where.",
	},
	{
		ID: "compile", Severity: LintError, Title: "The definition does not compile",
		Why: "An expression, a function or the details of the effect are wrong; Azure refuses the definition or fails when it evaluates it.",
	},
	{
		ID: "metadata-missing", Severity: LintInfo, Title: "Display name, description, category or version is missing", check: lintMetadata,
		Why: "People choose policies by name and category, and version pins of initiatives need metadata.version.",
	},
	{
		ID: "deprecated", Severity: LintInfo, Title: "The definition is deprecated", check: lintDeprecated,
		Why: "A deprecated definition gets no corrections; its description usually names the successor.",
	},
	{
		ID: "mode-indexed-type", Severity: LintWarning, Title: "Mode Indexed leaves out a type that the rule names", check: lintIndexed,
		Why: "Mode Indexed (also no mode) evaluates only types that support tags and a location; resources of the named type are never evaluated. Use mode All.",
	},
	{
		ID: "mode-all-tags", Severity: LintInfo, Title: "Mode All with a rule about tags or location of every type", check: lintAllTags,
		Why: "Types without tags or location cannot satisfy the rule and all become non-compliant. Use mode Indexed, or name the types.",
	},
	{
		ID: "type-not-named", Severity: LintWarning, Title: "The rule uses aliases and names no resource type", check: lintNoType,
		Why: "The policy then applies to resources of every type, for which the alias is missing; name the type with {\"field\": \"type\", \"equals\": …}.",
	},
	{
		ID: "type-never-matches", Severity: LintError, Title: "The rule can never apply to a type that it names", check: lintNever,
		Why: "The conditions on type exclude each other (two types joined by allOf), so nothing of that type is evaluated.",
	},
	{
		ID: "nested-child-coverage", Severity: LintWarning, Title: "A child resource is judged, but not the same object written inline in its parent, or the reverse", check: lintChildren,
		Why: "Such objects can be written in two ways: as a resource of their own or as an element of the parent. A rule that prevents or changes one way only is walked around by the other; " +
			"network security groups and their securityRules are the classic case. Cover both.",
	},
}

// parameterRules are about parameters.
var parameterRules = []*LintRule{
	{
		ID: "parameter-unused", Severity: LintWarning, Title: "A parameter is not used", check: lintUnused,
		Why: "Whoever assigns the policy sets it and expects an effect.",
	},
	{
		ID: "parameter-undefined", Severity: LintError, Title: "The rule uses a parameter that is not declared", check: lintUndefined,
		Why: "Azure refuses the definition; check the spelling (letter case does not matter).",
	},
	{
		ID: "parameter-default", Severity: LintError, Title: "A parameter's default does not fit its type or allowedValues",
		Why: "Assignments that rely on the default fail. Allowed values are compared with letter case.",
	},
	{
		ID: "parameter-without-default", Severity: LintInfo, Title: "A parameter has no default", check: lintNoDefault,
		Why: "Every assignment and every initiative must then pass a value; one that does not cannot be created.",
	},
	{
		ID: "parameter-no-display-name", Severity: LintInfo, Title: "A parameter has no display name", check: lintParameterName,
		Why: "The portal shows the bare parameter name to whoever assigns the policy.",
	},
}

func lintMetadata(l *linter) {
	if l.body.Get("policyRule").Kind() == jsontape.Absent {
		return // a bare rule has no place for it
	}
	var missing []string
	for _, x := range []struct {
		name string
		has  bool
	}{{"displayName", l.d.DisplayName != ""}, {"description", l.d.Description != ""}, {"metadata.category", l.d.Category != ""}, {"metadata.version", l.d.Version != ""}} {
		if !x.has {
			missing = append(missing, x.name)
		}
	}
	if len(missing) > 0 {
		l.report(l.body, "", "the definition has no %s", strings.Join(missing, ", no "))
	}
}

func lintDeprecated(l *linter) {
	meta := l.body.Get("metadata")
	if dep, ok := meta.Get("deprecated").Bool(); ok && dep {
		l.report(meta.Get("deprecated"), "metadata.deprecated", "the definition says that it is deprecated")
		return
	}
	if strings.HasPrefix(strings.ToLower(l.d.DisplayName), "[deprecated]") {
		l.report(l.body.Get("displayName"), "displayName", "the display name says that it is deprecated")
	} else if strings.HasSuffix(l.d.Version, "-deprecated") {
		l.report(meta, "metadata.version", "version %s says that it is deprecated", l.d.Version)
	}
}

func (l *linter) indexed() bool {
	return foldEq(l.d.Mode, "Indexed") || l.d.Mode == "" && l.body.Get("policyRule").Kind() != jsontape.Absent
}

// typeConditions calls f for every condition on the field type.
func (l *linter) typeConditions(f func(a at, types []string)) {
	l.conditions(func(a at) {
		if a.existence || a.Kind != FieldCondition || !foldEq(a.Left.Str(), "type") || a.Op != Equals && a.Op != In {
			return
		}
		var types []string
		for _, v := range l.literals(a.Right) {
			types = append(types, v.Str())
		}
		f(a, types)
	})
}

func lintIndexed(l *linter) {
	if !l.indexed() || l.catalog == nil {
		return
	}
	l.typeConditions(func(a at, types []string) {
		for _, t := range types {
			tags, location, known := l.catalog.Capabilities(t)
			if known && (!tags || !location) {
				l.report(a.Right, a.Place, "mode Indexed does not evaluate %s, which lacks %s; use mode All", t, lacking(tags, location))
			}
		}
	})
}

func lacking(tags, location bool) string {
	switch {
	case tags:
		return "a location"
	case location:
		return "tags"
	}
	return "tags and a location"
}

func lintAllTags(l *linter) {
	if !foldEq(l.d.Mode, "All") || len(l.types()) > 0 {
		return
	}
	done := false
	l.conditions(func(a at) {
		if done || a.Kind != FieldCondition {
			return
		}
		f := strings.ToLower(a.Left.Str())
		if f == "type" {
			done = true // like or match on type narrows it in its own way
		}
		if f == "location" || strings.HasPrefix(f, "tags") {
			done = true
			if f != "location" {
				f = "tags"
			}
			l.report(a.Left, a.Place, "mode All takes in types that have no %s; use mode Indexed, or name the types", f)
		}
	})
}

func lintNoType(l *linter) {
	named, done := false, false
	l.conditions(func(a at) {
		named = named || a.Kind == FieldCondition && (foldEq(a.Left.Str(), "type") || foldEq(a.Left.Str(), "kind"))
	})
	if named {
		return
	}
	l.conditions(func(a at) {
		name := a.Left.Str()
		if a.Count != nil {
			name = a.Count.Field.Str()
		}
		if !done && !a.existence && a.Kind != ValueCondition && strings.Contains(name, "/") && !armexpr.IsExpression(name) {
			done = true
			l.report(a.at, a.Place, "alias %s is used, but the rule names no resource type", name)
		}
	})
}

func lintNever(l *linter) {
	if l.p == nil {
		return
	}
	open := l.unparametrised()
	l.typeConditions(func(a at, types []string) {
		for _, t := range types {
			if t == "" || a.negated {
				continue
			}
			c := (&compiler{p: open, typ: t, primary: t}).node(l.d.If)
			if c.kind == constNode && c.truth == False {
				l.report(a.Right, a.Place, "no resource of type %s can match the rule: its other conditions on type exclude it", t)
			}
		}
	})
}

// unparametrised is the policy before any parameter has a value, so that what
// it folds holds for every assignment.
func (l *linter) unparametrised() *Policy {
	params := map[string]armexpr.Value{}
	for i := range l.d.Parameters {
		params[strings.ToLower(l.d.Parameters[i].Name)] = armexpr.UnobservedValue("parameter")
	}
	return &Policy{Definition: l.d, catalog: l.p.catalog, params: params, set: policySet(params), programs: map[string]*Program{}}
}

// nestedChildren are children that can also be written inside their parent,
// with the array alias that reads them there.
var nestedChildren = []struct{ parent, child, inline string }{
	{"Microsoft.Network/networkSecurityGroups", "Microsoft.Network/networkSecurityGroups/securityRules", "Microsoft.Network/networkSecurityGroups/securityRules[*]"},
	{"Microsoft.Network/virtualNetworks", "Microsoft.Network/virtualNetworks/subnets", "Microsoft.Network/virtualNetworks/subnets[*]"},
	{"Microsoft.Network/routeTables", "Microsoft.Network/routeTables/routes", "Microsoft.Network/routeTables/routes[*]"},
	{"Microsoft.Network/loadBalancers", "Microsoft.Network/loadBalancers/inboundNatRules", "Microsoft.Network/loadBalancers/inboundNatRules[*]"},
	{"Microsoft.Network/virtualNetworks", "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", "Microsoft.Network/virtualNetworks/virtualNetworkPeerings[*]"},
}

func lintChildren(l *linter) {
	if !l.can(Deny, Append, Modify) {
		return // an audit sees every object, however it was written
	}
	types := l.types()
	for _, n := range nestedChildren {
		child, parent := containsFold(types, n.child), containsFold(types, n.parent)
		var inline jsontape.Value
		var place string
		l.conditions(func(a at) {
			for _, v := range []jsontape.Value{a.Left, countField(a.Condition)} {
				if foldPrefix(v.Str(), n.inline) && inline.Kind() == jsontape.Absent {
					inline, place = v, a.Place
				}
			}
		})
		switch {
		case child && inline.Kind() == jsontape.Absent:
			l.typeConditions(func(a at, list []string) {
				if containsFold(list, n.child) {
					l.report(a.Right, a.Place, "%s are judged, but not those written inline in %s (%s)", n.child, n.parent, n.inline)
				}
			})
		case inline.Kind() != jsontape.Absent && parent && !child:
			l.report(inline, place, "%s written inline are judged, but not resources of type %s", n.inline, n.child)
		}
	}
}

func countField(c *Condition) jsontape.Value {
	if c.Count != nil {
		return c.Count.Field
	}
	return jsontape.Value{}
}

func lintUnused(l *linter) {
	rule := strings.ToLower(string(l.rulePart().Raw()))
	for i := range l.d.Parameters {
		p := &l.d.Parameters[i]
		name := strings.ToLower(p.Name)
		used := false
		for rest := rule; !used; {
			k := strings.Index(rest, "parameters(")
			if k < 0 {
				break
			}
			rest = strings.TrimLeft(rest[k+len("parameters("):], " ")
			used = strings.HasPrefix(rest, "'"+name+"'") || !strings.HasPrefix(rest, "'")
		}
		if !used {
			l.report(p.at, "parameters."+p.Name, "parameter %q is not used in the rule", p.Name)
		}
	}
}

func (l *linter) rulePart() jsontape.Value {
	if r := l.body.Get("policyRule"); r.Kind() != jsontape.Absent {
		return r
	}
	return l.body
}

func lintUndefined(l *linter) {
	if len(l.d.Parameters) == 0 && l.body.Get("policyRule").Kind() == jsontape.Absent {
		return // a bare rule declares none
	}
	l.expressions(func(e expression) {
		e.node.Walk(func(n *armexpr.Node) {
			if n.Kind == armexpr.CallNode && foldEq(n.Name, "parameters") && len(n.Args) == 1 && n.Args[0].Kind == armexpr.LiteralNode {
				if name := n.Args[0].Value.Str(); l.d.parameter(name) == nil {
					l.reportIn(e.at, n.Pos, e.place, "parameter %q is not declared%s", name, l.nearParameter(name))
				}
			}
		})
	})
}

func (l *linter) nearParameter(name string) string {
	best, dist := "", 4
	for i := range l.d.Parameters {
		if d := distance(strings.ToLower(name), strings.ToLower(l.d.Parameters[i].Name), dist); d < dist {
			best, dist = l.d.Parameters[i].Name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func lintNoDefault(l *linter) {
	for i := range l.d.Parameters {
		if p := &l.d.Parameters[i]; p.Default.Kind() == jsontape.Absent {
			l.report(p.at, "parameters."+p.Name, "parameter %q has no defaultValue", p.Name)
		}
	}
}

func lintParameterName(l *linter) {
	for i := range l.d.Parameters {
		if p := &l.d.Parameters[i]; p.at.Get("metadata").Get("displayName").Str() == "" {
			l.report(p.at, "parameters."+p.Name, "parameter %q has no metadata.displayName", p.Name)
		}
	}
}

// effectRules are about the effect and its details.
var effectRules = []*LintRule{
	{
		ID: "effect-unknown", Severity: LintError, Title: "An effect does not exist", check: lintEffectWords,
		Why: "The assignment that chooses it fails.",
	},
	{
		ID: "effect-hard-coded", Severity: LintInfo, Title: "The effect is written into the rule", check: lintHardCoded,
		Why: "The policy cannot be rolled out in steps (Audit, then Deny) or switched off without a new definition. Make it a parameter.",
	},
	{
		ID: "effect-without-allowed-values", Severity: LintWarning, Title: "The effect's parameter has no allowedValues", check: lintEffectAllowed,
		Why: "Any text can be assigned, also an effect whose details the rule does not have; the mistake shows only when the policy is evaluated.",
	},
	{
		ID: "effect-no-disabled", Severity: LintInfo, Title: "The effect's parameter does not allow Disabled", check: lintNoDisabled,
		Why: "An initiative that contains the policy cannot switch it off.",
	},
	{
		ID: "effect-mix", Severity: LintError, Title: "The allowed effects need different details", check: lintEffectMix,
		Why: "AuditIfNotExists and DeployIfNotExists need details with a related type, Modify needs operations, Append a list, Audit and Deny none of these: " +
			"one of the values that can be assigned does not work.",
	},
	{
		ID: "existence-vacuous", Severity: LintWarning, Title: "The existence check is satisfied by something that always exists", check: lintVacuous,
		Why: "Azure creates one resource of this type with its parent, so without an existenceCondition the policy is always compliant.",
	},
	{
		ID: "existence-no-condition", Severity: LintInfo, Title: "The existence check has no existenceCondition", check: lintNoExistence,
		Why: "Any resource of the type satisfies it, whatever its settings.",
	},
	{
		ID: "roles-missing", Severity: LintError, Title: "Modify or DeployIfNotExists without roleDefinitionIds", check: lintRoles,
		Why: "The assignment's identity gets no rights, so nothing is remediated.",
	},
	{
		ID: "modify-conflict-effect", Severity: LintInfo, Title: "Modify without conflictEffect", check: lintConflict,
		Why: "When two policies change the same field, the default is to deny the request; say which is meant.",
	},
	{
		ID: "evaluation-delay", Severity: LintInfo, Title: "DeployIfNotExists without evaluationDelay", check: lintDelay,
		Why: "By default the related resource is looked for ten minutes after a change; AfterProvisioning waits for the resource instead.",
	},
	{
		ID: "existence-scope", Severity: LintWarning, Title: "existenceScope or resourceGroupName has no effect here", check: lintScope,
		Why: "The related type lies under the evaluated resource, so it is looked for there and nowhere else.",
	},
}

func lintEffectWords(l *linter) {
	list, par := l.effects()
	if par == nil {
		return // parsing refuses a literal that is no effect
	}
	for _, v := range list {
		if _, ok := ParseEffect(v.Str()); !ok {
			l.report(v, "parameters."+par.Name, "effect %s does not exist", v.Raw())
		}
	}
}

func lintHardCoded(l *linter) {
	if !armexpr.IsExpression(l.d.Effect.Str()) && l.body.Get("policyRule").Kind() != jsontape.Absent {
		l.report(l.d.Effect, "then.effect", "effect %s is fixed; make it a parameter with allowedValues", l.d.Effect.Str())
	}
}

func lintEffectAllowed(l *linter) {
	if _, par := l.effects(); par != nil && par.Allowed.Kind() != jsontape.Array {
		l.report(par.at, "parameters."+par.Name, "parameter %q decides the effect and has no allowedValues", par.Name)
	}
}

func lintNoDisabled(l *linter) {
	if _, par := l.effects(); par != nil && par.Allowed.Kind() == jsontape.Array && !l.can(Disabled) {
		l.report(par.Allowed, "parameters."+par.Name, "the allowed effects do not include Disabled")
	}
}

// shape is the kind of details that an effect needs.
func shape(e Effect) string {
	switch e {
	case AuditIfNotExists, DeployIfNotExists:
		return "a related type"
	case Modify:
		return "operations"
	case Append:
		return "a list of fields"
	case DenyAction:
		return "actionNames"
	case Mutate, EnforceRegoPolicy, EnforceOPAConstraint, AddToNetworkGroup, EnforceSetting:
		return "details of a resource provider"
	case NoEffect, Disabled, Audit, Deny, Manual, AuditAction:
	}
	return ""
}

func lintEffectMix(l *linter) {
	list, _ := l.effects()
	if strings.Contains(l.d.Mode, ".Data") {
		return // a provider's mode reads its details for every effect
	}
	var firstEffect Effect
	for _, v := range list {
		e, ok := ParseEffect(v.Str())
		if !ok || e == Disabled {
			continue
		}
		if firstEffect == NoEffect {
			firstEffect = e
			continue
		}
		if a, b := shape(firstEffect), shape(e); a != b && (a == "a related type" || b == "a related type" || a != "" && b != "") {
			l.report(v, "then.effect", "effects %s and %s cannot share one rule: one needs %s, the other %s", firstEffect, e, named(a), named(b))
		}
	}
}

func named(shape string) string {
	if shape == "" {
		return "none"
	}
	return shape
}

// alwaysThere are types of which Azure makes one with the parent, or answers
// one with defaults.
var alwaysThere = []string{
	"Microsoft.Security/pricings", "Microsoft.Sql/servers/auditingSettings", "Microsoft.Sql/servers/extendedAuditingSettings",
	"Microsoft.Sql/servers/databases/auditingSettings", "Microsoft.Sql/servers/databases/transparentDataEncryption",
	"Microsoft.Sql/servers/encryptionProtector", "Microsoft.Sql/servers/securityAlertPolicies", "Microsoft.Sql/servers/databases/securityAlertPolicies",
	"Microsoft.Sql/servers/connectionPolicies", "Microsoft.Sql/managedInstances/encryptionProtector", "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies",
	"Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/fileServices", "Microsoft.Storage/storageAccounts/queueServices",
	"Microsoft.Storage/storageAccounts/tableServices", "Microsoft.Web/sites/config", "Microsoft.Web/sites/slots/config", "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
	"Microsoft.DBforPostgreSQL/flexibleServers/configurations", "Microsoft.DBforMySQL/flexibleServers/configurations", "Microsoft.Synapse/workspaces/sqlPools/transparentDataEncryption",
}

func lintVacuous(l *linter) {
	if l.d.Existence != nil || !l.can(AuditIfNotExists, DeployIfNotExists) {
		return
	}
	typ := l.d.Details.Get("type")
	if containsFold(alwaysThere, typ.Str()) {
		l.report(typ, detailsPlace+".type", "every parent has a %s, so the check is always satisfied; add an existenceCondition", typ.Str())
	}
}

func lintNoExistence(l *linter) {
	if l.d.Existence != nil || !l.can(AuditIfNotExists, DeployIfNotExists) {
		return
	}
	typ, name := l.d.Details.Get("type"), l.d.Details.Get("name")
	if typ.Kind() == jsontape.String && name.Kind() == jsontape.Absent && !containsFold(alwaysThere, typ.Str()) {
		l.report(typ, detailsPlace+".type", "any %s satisfies the check; add an existenceCondition or a name", typ.Str())
	}
}

func lintRoles(l *linter) {
	if l.can(Modify, DeployIfNotExists) && l.d.Details.Get("roleDefinitionIds").Len() == 0 {
		l.report(l.d.Details, detailsPlace, "details has no roleDefinitionIds")
	}
}

func lintConflict(l *linter) {
	if l.can(Modify) && l.d.Details.Get("conflictEffect").Kind() == jsontape.Absent {
		l.report(l.d.Details, detailsPlace, "details has no conflictEffect (audit, deny or disabled)")
	}
}

func lintDelay(l *linter) {
	if l.can(DeployIfNotExists) && l.d.Details.Get("evaluationDelay").Kind() == jsontape.Absent {
		l.report(l.d.Details, detailsPlace, "details has no evaluationDelay, such as AfterProvisioning")
	}
}

func lintScope(l *linter) {
	if l.p == nil || !l.can(AuditIfNotExists, DeployIfNotExists) {
		return
	}
	related, types := l.d.Details.Get("type").Str(), l.types()
	if len(types) == 0 || slices.ContainsFunc(types, func(t string) bool { return !foldPrefix(related, t+"/") }) {
		return
	}
	for _, name := range []string{"existenceScope", "resourceGroupName"} {
		if v := l.d.Details.Get(name); v.Kind() != jsontape.Absent {
			l.report(v, detailsPlace+"."+name, "%s has no effect: %s is looked for under the evaluated resource", name, related)
		}
	}
}
