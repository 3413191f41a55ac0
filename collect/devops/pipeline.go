// SPDX-License-Identifier: Apache-2.0

package devops

import (
	"time"

	"github.com/tickmark/tickmark/collect"
)

var (
	viewBuilds      = collect.Need{Permission: "View builds, View build pipeline", Role: "Readers of the project"}
	viewEnvironment = collect.Need{Permission: "View (environments)", Role: "Reader of environments"}
	viewReleases    = collect.Need{Permission: "View releases, View release pipeline", Role: "Readers of the project"}
)

// pipelineAsks read what is run, where it is deployed to and who approved.
func pipelineAsks() []collect.Ask {
	pipelines := inProject("pipelines", "pipelines, their repository and what they are allowed", "build/definitions/list", "build/definitions", "devops/pipelines")
	pipelines.Query, pipelines.Paging, pipelines.PageSize = "includeAllProperties=true&$top=100", collect.PageContinuation, 100
	pipelines.Needs, pipelines.Proof = viewBuilds, "sees-pipelines"
	pipelines.Redact = []string{"variables.*.value", "process.phases.*.variables.*.value", "process.phases.*.steps.*.inputs.*"}

	runs := inProject("runs", "runs finished in the period: who started them, from which commit", "build/builds/list", "build/builds", "devops/runs")
	runs.Query = "minTime={from}&maxTime={to}&queryOrder=finishTimeAscending&$top=500"
	runs.Paging, runs.PageSize, runs.Needs, runs.Proof = collect.PageContinuation, 500, viewBuilds, "sees-pipelines"
	// Runs are deleted after 30 days unless the project or a lease keeps them
	// longer: https://learn.microsoft.com/azure/devops/pipelines/policies/retention
	runs.Window = &collect.Window{Field: "finishTime", Keeps: 30 * 24 * time.Hour, Some: true, Overlap: time.Hour}
	runs.Redact = []string{"parameters", "templateParameters.*"}

	groups := inProject("variable-groups", "variable groups: names, and which values are secret", "distributedtask/variablegroups/get-variable-groups",
		"distributedtask/variablegroups", "devops/variableGroups")
	groups.Needs, groups.Proof = collect.Need{Permission: "View (library)", Role: "Reader of the library"}, "sees-library"
	groups.Redact = []string{"variables.*.value"}

	connections := inProject("service-connections", "service connections: where to and with which kind of credential", "serviceendpoint/endpoints/get-service-endpoints",
		"serviceendpoint/endpoints", "devops/serviceConnections")
	connections.Query = "includeFailed=true"
	connections.Needs, connections.Proof = collect.Need{Permission: "View (service connections)", Role: "Reader of service connections"}, "sees-service-connections"
	connections.Redact = []string{
		"authorization.parameters.*", "!authorization.parameters.tenantid", "!authorization.parameters.serviceprincipalid",
		"!authorization.parameters.authenticationType", "!authorization.parameters.workloadIdentityFederationSubject",
		"!authorization.parameters.workloadIdentityFederationIssuer", "!authorization.parameters.scope",
	}
	return append([]collect.Ask{
		pipelines, runs, groups, connections,
		ofResource("service-connection-pipelines", "which pipelines may use each service connection", &connections, "endpoint", "devops/serviceConnectionPipelines"),
		checksOf("service-connection-checks", "approvals and checks on each service connection", &connections, "endpoint", "devops/serviceConnectionChecks"),
	}, environmentAsks()...)
}

func environmentAsks() []collect.Ask {
	// The reference has environments since 7.2 only, as a preview.
	environments := inProject("environments", "environments that pipelines deploy to", "environments/environments/list", "pipelines/environments", "devops/environments")
	environments.APIVersion, environments.Query, environments.PageSize = "7.2-preview.1", "$top=100", 100
	environments.Paging, environments.Needs, environments.Proof = collect.PageContinuation, viewEnvironment, "sees-environments"
	deployments := collect.Ask{
		Name: "deployments", About: "deployments to each environment: run, stage, when, result", Of: []string{environments.Entity},
		Doc: ref + "environments/environmentdeploymentrecords/list", APIVersion: "7.2-preview.1",
		Path:  "/{^^name}/{^id}/_apis/pipelines/environments/{id}/environmentdeploymentrecords",
		Query: "top=100", Paging: collect.PageContinuation, PageSize: 100,
		Entity: "devops/deployments", Types: []string{"devops/deployments"}, Needs: viewEnvironment,
		Window: &collect.Window{Field: "startTime", Back: changeTime, Overlap: time.Hour},
	}
	timelines := collect.Ask{
		// The record of a checkpoint has the id of the approval that it waited for.
		Name: "run-timelines", About: "stages, checkpoints and approvals of the run behind each deployment", Of: []string{deployments.Entity},
		Where: is("planType", "Build"), Doc: ref + "build/timeline/get",
		Path: "/{^^^name}/{^^id}/_apis/build/builds/{owner.id}/timeline", List: "records",
		Entity: "devops/timelineRecords", Types: []string{"devops/timelineRecords"}, Needs: viewBuilds,
	}
	approvals := collect.Ask{
		Name: "environment-approvals", About: "who approved each deployment, and who was not allowed to", Of: []string{timelines.Entity},
		Where: is("type", "Checkpoint.Approval"), Doc: ref + "approvalsandchecks/approvals/get", APIVersion: "7.1-preview.1",
		Path: "/{^^^^name}/{^^^id}/_apis/pipelines/approvals/{id}", Query: "$expand=steps", Form: one,
		Entity: "devops/environmentApprovals", Types: []string{"devops/environmentApprovals"}, Needs: viewEnvironment,
		Redact: []string{"steps.*.comment"},
	}
	return []collect.Ask{
		environments,
		checksOf("environment-checks", "approvals and checks on each environment", &environments, "environment", "devops/environmentChecks"),
		ofResource("environment-pipelines", "which pipelines may deploy to each environment", &environments, "environment", "devops/environmentPipelines"),
		deployments, timelines, approvals,
	}
}

// ofResource makes the ask which pipelines may use a protected resource.
func ofResource(name, about string, of *collect.Ask, kind, entity string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: []string{of.Entity}, Doc: ref + "approvalsandchecks/pipeline-permissions/get", APIVersion: "7.1-preview.1",
		Path: "/{^^name}/{^id}/_apis/pipelines/pipelinepermissions/" + kind + "/{id}", Form: one, Identity: "resource.id",
		Entity: entity, Types: []string{entity}, Needs: of.Needs, Proof: of.Proof,
	}
}

// checksOf makes the ask for the approvals and checks on a protected resource.
func checksOf(name, about string, of *collect.Ask, kind, entity string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: []string{of.Entity}, Doc: ref + "approvalsandchecks/check-configurations/list", APIVersion: "7.1-preview.1",
		Path: "/{^^name}/{^id}/_apis/pipelines/checks/configurations", Query: "resourceType=" + kind + "&resourceId={id}&$expand=settings",
		Entity: entity, Types: []string{entity}, Needs: of.Needs, Proof: of.Proof,
		Redact: []string{"settings.inputs.*"}, // of a check that calls a function or an address
	}
}

// releaseAsks read classic release pipelines.
func releaseAsks() []collect.Ask {
	release := func(name, about, doc, path, query, entity, field string) collect.Ask {
		a := inProject(name, about, doc, path, entity)
		a.Host, a.Query, a.Paging, a.PageSize = collect.HostDevOpsRelease, query, collect.PageContinuation, 100
		a.Needs, a.Proof = viewReleases, "sees-releases"
		if field != "" {
			a.Window = &collect.Window{Field: field, Back: changeTime, Overlap: time.Hour}
		}
		a.Redact = []string{
			"variables.*.value", "environments.*.variables.*.value", "environments.*.deployPhases.*.workflowTasks.*.inputs.*",
			"environments.*.deployPhasesSnapshot.*.workflowTasks.*.inputs.*",
		}
		return a
	}
	return []collect.Ask{
		release("release-definitions", "classic release pipelines, with the approvals of each stage", "release/definitions/list",
			"release/definitions", "$expand=environments&$top=100", "devops/releaseDefinitions", ""),
		release("releases", "classic releases created in the period", "release/releases/list", "release/releases",
			"$expand=environments,approvals&minCreatedTime={from}&maxCreatedTime={to}&queryOrder=ascending&$top=100", "devops/releases", "createdOn"),
		release("release-deployments", "classic deployments in the period, with their approvals", "release/deployments/list", "release/deployments",
			"minStartedTime={from}&maxStartedTime={to}&queryOrder=ascending&$top=100", "devops/releaseDeployments", "startedOn"),
	}
}
