// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"time"

	"github.com/tickmark/tickmark/collect"
)

const day = 24 * time.Hour

// monitorAsks read Azure Monitor: what is logged, who is told, and the
// activity log itself.
func monitorAsks() []collect.Ask {
	return each(
		collect.Ask{
			Name: "activity-log", About: "every write, delete and action on resources, roles and policies in each subscription, and its alerts and health events",
			Path:       "{id}/providers/Microsoft.Insights/eventtypes/management/values",
			Query:      "$filter=eventTimestamp%20ge%20'{from}'%20and%20eventTimestamp%20le%20'{to}'",
			APIVersion: "2015-04-01", Entity: "arm/activityLog", Types: []string{"arm/activityLog"}, Identity: "eventDataId",
			// The service keeps 90 days; older records are in archives only. A
			// record can arrive some hours after its event.
			Window: &collect.Window{Field: "eventTimestamp", Keeps: 90 * day, Overlap: 6 * time.Hour, Span: 7 * day},
			Needs:  collect.Need{Permission: "Microsoft.Insights/eventtypes/values/read", Role: roleReader},
			Doc:    rest + "monitor/activity-logs/list",
		},
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
