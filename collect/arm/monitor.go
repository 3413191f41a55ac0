// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"time"

	"github.com/tickmark/tickmark/collect"
)

const day = 24 * time.Hour

const (
	activityPath   = "/providers/Microsoft.Insights/eventtypes/management/values"
	actionActivity = "Microsoft.Insights/eventtypes/values/read"
)

// activityLog completes an ask to an activity log. Each subscription, each
// management group and the tenant has its own; the records are the same, and
// one that two logs have is one (eventDataId is unique).
//
// The service keeps 90 days; older records are in archives only. A record can
// arrive some hours after its event.
func activityLog(a collect.Ask) collect.Ask {
	a.Query = "$filter=eventTimestamp%20ge%20'{from}'%20and%20eventTimestamp%20le%20'{to}'"
	a.Entity, a.Types, a.Identity = "arm/activityLog", []string{"arm/activityLog"}, "eventDataId"
	a.Window = &collect.Window{Field: "eventTimestamp", Keeps: 90 * day, Overlap: 6 * time.Hour, Span: 7 * day}
	return a
}

// activityAsksAbove read the logs of what is above subscriptions: policies and
// roles that are set there, and a global administrator who gave himself the
// right to manage access to everything (elevateAccess), show in no
// subscription's log.
//
// The tenant's log is a scope of its own: Reader is assigned at
// /providers/Microsoft.Insights, or at /; the root group does not cover it.
// Sources: docs + azure-monitor/platform/activity-log ("List tenant-level" and
// "List management group-level activity log events", which also says that the
// tenant's log can repeat events), and docs +
// role-based-access-control/elevate-access-global-admin for the scope of the role.
func activityAsksAbove() []collect.Ask {
	const page = docs + "azure-monitor/platform/activity-log"
	tenant := fill(activityLog(collect.Ask{
		Name: "tenant-activity-log", About: "what was done at the tenant itself: management groups and subscriptions made, access elevated, roles and policies at its root",
		Path: activityPath, APIVersion: "2015-04-01",
		Needs: collect.Need{Permission: actionActivity + " at " + scopeInsights, Role: roleReader, Scope: scopeInsights},
		Doc:   rest + "monitor/tenant-activity-logs/list",
	}))
	return append(ofGroups(
		activityLog(collect.Ask{
			Name: "group-activity-log", About: "every write, delete and action at each management group: roles and policies that subscriptions inherit",
			Path: "{id}" + activityPath, APIVersion: "2017-03-01-preview",
			Needs: collect.Need{Permission: actionActivity, Role: roleReader},
			Doc:   page,
		}),
		collect.Ask{
			Name: "group-activity-log-export", About: "where the activity log of each management group is exported to",
			Path: "{id}/providers/Microsoft.Insights/diagnosticSettings", APIVersion: "2020-01-01-preview", Types: []string{"Microsoft.Insights/diagnosticSettings"},
			Doc: rest + "monitor/management-group-diagnostic-settings/list",
		},
	), tenant)
}

// monitorAsks read Azure Monitor: what is logged, who is told, and the
// activity log itself.
func monitorAsks() []collect.Ask {
	return each(
		activityLog(collect.Ask{
			Name: "activity-log", About: "every write, delete and action on resources, roles and policies in each subscription, and its alerts and health events",
			Path: "{id}" + activityPath, APIVersion: "2015-04-01",
			Needs: collect.Need{Permission: actionActivity, Role: roleReader},
			Doc:   rest + "monitor/activity-logs/list",
		}),
		collect.Ask{
			Name: "activity-log-export", About: "where the activity log of each subscription is exported to",
			APIVersion: "2021-05-01-preview", Types: []string{"Microsoft.Insights/diagnosticSettings"},
			Doc: rest + "monitor/subscription-diagnostic-settings/list",
		},
		list("activity-log-alerts", "alert rules on the activity log", "Microsoft.Insights/activityLogAlerts", "2020-10-01", "monitor/activity-log-alerts/list-by-subscription-id"),
		list("action-groups", "whom alerts reach", "Microsoft.Insights/actionGroups", "2023-01-01", "monitor/action-groups/list-by-subscription-id"),
		list("metric-alerts", "alert rules on metrics", "Microsoft.Insights/metricAlerts", "2018-03-01", "monitor/metric-alerts/list-by-subscription"),
		list("log-alerts", "alert rules on queries of logs", "Microsoft.Insights/scheduledQueryRules", "2021-08-01", "monitor/scheduled-query-rules/list-by-subscription"),
		collect.Ask{
			Name: "health-events", About: "Service Health events that touched each subscription",
			APIVersion: "2022-10-01", Types: []string{"Microsoft.ResourceHealth/events"},
			Doc: rest + "resourcehealth/events/list-by-subscription-id",
		},
		list("advisor", "recommendations of Advisor", "Microsoft.Advisor/recommendations", "2023-01-01", "advisor/recommendations/list"),
	)
}
