// SPDX-License-Identifier: Apache-2.0

package graph

import "github.com/tickmark/tickmark/collect"

// microsoft365 asks what Graph has of Microsoft 365: the score, sharing and
// labels. Data loss prevention, audit configuration, mail and Teams have no
// equivalent in Graph and come from printed PowerShell output.
func microsoft365() []question {
	labels := list("sensitivity-labels", "the labels for documents and mail", "/beta/security/informationProtection/sensitivityLabels",
		"graph/sensitivityLabels", "InformationProtectionPolicy.Read.All")
	labels.NotOffered = []string{"gccHigh", "dod", "china"}
	scores := list("secure-scores", "the Secure Score of each day that is kept", "/v1.0/security/secureScores", "graph/secureScores", "SecurityEvents.Read.All")
	profiles := list("secure-score-controls", "what Secure Score looks at", "/v1.0/security/secureScoreControlProfiles", "graph/secureScoreControlProfiles", "SecurityEvents.Read.All")
	sharing := single("sharepoint-settings", "how SharePoint and OneDrive may be shared", "/v1.0/admin/sharepoint/settings", "graph/sharepointSettings", "SharePointTenantSettings.Read.All")
	for _, a := range []*collect.Ask{&scores, &profiles, &sharing} {
		a.NotOffered = []string{"china"}
	}
	return []question{
		{Ask: scores, doc: "security-list-securescores"},
		{Ask: profiles, doc: "security-list-securescorecontrolprofiles"},
		{Ask: sharing, doc: "sharepointsettings-get"},
		{Ask: labels, doc: "security-informationprotection-list-sensitivitylabels?view=graph-rest-beta", beta: "v1.0 does not list labels for an application"},
	}
}
