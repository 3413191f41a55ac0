// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

func adoPipelineRoutes() []route {
	return []route{
		{"devops", "build/definitions", true, (*adoCall).definitions},
		{"devops", "build/builds", true, (*adoCall).builds},
		{"devops", "build/builds/*/timeline", true, (*adoCall).timeline},
		{"devops", "pipelines/environments", true, (*adoCall).environmentList},
		{"devops", "pipelines/environments/*/environmentdeploymentrecords", true, (*adoCall).deployments},
		{"devops", "pipelines/approvals/*", true, (*adoCall).approval},
		{"devopsRelease", "release/definitions", true, func(c *adoCall) { c.list(nil, "$top") }},
		{"devopsRelease", "release/releases", true, func(c *adoCall) { c.list(nil, "$top") }},
		{"devopsRelease", "release/deployments", true, func(c *adoCall) { c.list(nil, "$top") }},
	}
}

func (c *adoCall) definitions() {
	var out []any
	for i := range c.project.Pipelines {
		p := &c.project.Pipelines[i]
		out = append(out, obj{
			"id": i + 1, "name": p.Name, "path": "\\", "type": "build", "queueStatus": "enabled", "revision": 3, "project": obj{"id": c.project.id, "name": c.project.Name},
			"repository": obj{"name": p.Repository, "type": "TfsGit", "id": c.s.guid("repository", c.project.id, p.Repository)}, "process": obj{"yamlFilename": "azure-pipelines.yml", "type": 2},
			"variables":             obj{"BuildKey": obj{"value": "s1mulated-Pa55word", "allowOverride": true}},
			"jobAuthorizationScope": "project", "authoredBy": c.s.who(c.s.voters(nil)[0]), "createdDate": stamp(c.s.epoch.AddDate(-1, 0, 0)),
		})
	}
	c.list(out, "$top")
}

// builds are listed by when they finished.
func (c *adoCall) builds() {
	done := within(c.project.runs, run.finished, parameter(c.r, "minTime"), parameter(c.r, "maxTime"))
	slices.SortStableFunc(done, func(a, b run) int { return a.finished().Compare(b.finished()) })
	out := make([]any, len(done))
	for i, r := range done {
		out[i] = c.build(r)
	}
	c.list(out, "$top")
}

func (r run) finished() time.Time { return r.at.Add(40 * time.Minute) }

func (c *adoCall) build(r run) obj {
	result, pipeline := "succeeded", 0
	if r.failed {
		result = "failed"
	}
	for i := range c.project.Pipelines {
		if &c.project.Pipelines[i] == r.pipeline {
			pipeline = i + 1
		}
	}
	return obj{
		"id": r.n, "buildNumber": r.at.Format("20060102") + "." + strconv.Itoa(r.n), "status": "completed", "result": result, "reason": "individualCI",
		"queueTime": stamp(r.at), "startTime": stamp(r.at.Add(time.Minute)), "finishTime": stamp(r.finished()), "sourceBranch": "refs/heads/" + first(r.of.target, "main"), "sourceVersion": r.of.merge,
		"definition": obj{"id": pipeline, "name": r.pipeline.Name}, "project": obj{"id": c.project.id, "name": c.project.Name},
		"repository":  obj{"id": c.s.guid("repository", c.project.id, r.pipeline.Repository), "type": "TfsGit"},
		"requestedBy": c.s.who(first(r.of.by, "Azure DevOps")), "requestedFor": c.s.who(first(r.of.by, "Azure DevOps")),
	}
}

// timeline has a stage, and for a deployment the checkpoint before it with its
// approval, whose id is that of the record.
func (c *adoCall) timeline() {
	for _, r := range c.project.runs {
		if strconv.Itoa(r.n) != c.args[0] {
			continue
		}
		stage, checkpoint := c.s.guid("stage", c.project.id, c.args[0]), c.s.guid("checkpoint", c.project.id, c.args[0])
		record := func(id, parent, kind, name string) obj {
			o := obj{"id": id, "parentId": nil, "type": kind, "name": name, "state": "completed", "result": "succeeded", "startTime": stamp(r.at), "finishTime": stamp(r.finished())}
			if parent != "" {
				o["parentId"] = parent
			}
			return o
		}
		records := []any{record(stage, "", "Stage", "Deploy")}
		for _, e := range c.project.environments {
			if id, a := c.s.approval(c.project, e, r); a != nil && e.Name == r.environment && !r.failed {
				records = append(records, record(checkpoint, stage, "Checkpoint", "Checkpoint"), record(id, checkpoint, "Checkpoint.Approval", "Checkpoint.Approval"))
			}
		}
		c.one(obj{"id": c.s.guid("timeline", c.project.id, c.args[0]), "changeId": 12, "lastChangedOn": stamp(r.finished()), "records": records})
		return
	}
	c.missing("BuildNotFoundException", fmt.Sprintf("The requested build %s could not be found.", c.args[0]))
}

func (c *adoCall) environmentList() {
	var out []any
	for _, e := range c.project.environments {
		if !e.Hidden {
			out = append(out, obj{
				"id": e.id, "name": e.Name, "description": "", "createdBy": c.s.who(c.s.voters(nil)[0]), "createdOn": stamp(c.s.epoch.AddDate(-1, 0, 0)), "project": obj{"id": c.project.id},
			})
		}
	}
	c.list(out, "$top")
}

func (c *adoCall) deployments() {
	e := c.environment(c.args[0])
	if e == nil {
		c.missing("EnvironmentNotFoundException", "Environment with ID "+c.args[0]+" does not exist or has been deleted, or you do not have permission to it.")
		return
	}
	out := make([]any, len(e.deployments))
	for i := range e.deployments {
		r := e.deployments[len(e.deployments)-1-i] // the newest first
		out[i] = obj{
			"id": e.id*100000 + r.n, "environmentId": e.id, "planType": "Build", "planId": c.s.guid("plan", c.project.id, strconv.Itoa(r.n)), "stageName": "Deploy", "jobName": "Deploy",
			"owner": obj{"id": r.n, "name": r.at.Format("20060102") + "." + strconv.Itoa(r.n)}, "definition": obj{"id": 1, "name": r.pipeline.Name}, "result": "succeeded",
			"queueTime": stamp(r.at), "startTime": stamp(r.at.Add(25 * time.Minute)), "finishTime": stamp(r.at.Add(35 * time.Minute)), "requestedIdentity": c.s.who(first(r.of.by, "Azure DevOps")),
		}
	}
	c.list(out, "top")
}

func (c *adoCall) approval() {
	if a, ok := c.project.approvals[c.args[0]]; ok {
		c.one(a)
		return
	}
	c.missing("ApprovalNotFoundException", "Approval with ID "+c.args[0]+" does not exist.")
}
