// SPDX-License-Identifier: Apache-2.0

package logs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/logs"
)

// snap is a snapshot in the making.
type snap struct{ s *tickmark.Snapshot }

var from, to = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 5, 11, 0, 0, 0, 0, time.UTC)

func newSnap() *snap {
	return &snap{&tickmark.Snapshot{Origin: "sample", ObservedAt: to, Segments: []tickmark.Segment{{Source: "arm"}}}}
}

// put adds a question about a subject with its rows; missing says that it was
// not answered.
func (s *snap) put(ask, typ, identity, subject string, missing tickmark.Reason, rows ...string) *snap {
	seg := &s.s.Segments[0]
	seg.Coverage.Asks = append(seg.Coverage.Asks, tickmark.AskCoverage{
		Name: ask, Types: []string{typ}, Subjects: 1, Answered: 1, Rows: len(rows), Unique: len(rows), Declared: -1, Missing: missing,
		Span: &tickmark.Span{From: from, To: to},
	})
	p := tickmark.Page{Name: fmt.Sprint(ask, len(seg.Pages)), Form: "armList", Entity: typ, Identity: identity, Ask: ask, Subject: subject}
	var b strings.Builder
	b.WriteString(`{"value":[`)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		p.Items = append(p.Items, tickmark.Item{Off: b.Len(), Len: len(r)})
		b.WriteString(r)
	}
	b.WriteString("]}")
	p.Bytes = []byte(b.String())
	p.Digest = tickmark.DigestOf(p.Bytes)
	seg.Pages = append(seg.Pages, p)
	return s
}

func (s *snap) log(t *testing.T, name string) logs.Log {
	t.Helper()
	inv, err := inventory.Build(t.Context(), s.s, inventory.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logs.Of(s.s, inv).Logs {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("there is no log %s", name)
	return logs.Log{}
}

// day is the row of a day in a workspace; audit a record of it there.
func day(n, count int) string {
	return fmt.Sprintf(`{"Day":"2026-05-%02dT00:00:00Z","First":"2026-05-%02dT08:00:00Z","Last":"2026-05-%02dT18:00:00Z","Count":%d}`, n, n, n, count)
}

func audit(n int) string {
	return fmt.Sprintf(`{"Id":"a%d","TimeGenerated":"2026-05-%02dT08:00:00Z"}`, n, n)
}

func own(n int) string {
	return fmt.Sprintf(`{"id":"a%d","activityDateTime":"2026-05-%02dT08:00:00Z"}`, n, n)
}

const (
	weu = "/subscriptions/s1/resourceGroups/rg-weu/providers/Microsoft.OperationalInsights/workspaces/logs/tables/AuditLogs"
	neu = "/subscriptions/s1/resourceGroups/workspaces/providers/Microsoft.OperationalInsights/workspaces/logs/tables/AuditLogs"
)

func days(f func(n int) string, first, last int) []string {
	var out []string
	for n := first; n <= last; n++ {
		out = append(out, f(n))
	}
	return out
}

// TestNames: two workspaces of one name are two copies, whose gaps do not
// cancel out; a resource group may be called workspaces.
func TestNames(t *testing.T) {
	count := func(n int) string { return day(n, 3) }
	l := newSnap().
		put("weu", "arm/logDaysAuditLogs", "Day,First", weu, "", days(count, 1, 5)...).
		put("neu", "arm/logDaysAuditLogs", "Day,First", neu, "", days(count, 6, 10)...).
		log(t, "directory-audits")
	if len(l.Copies) != 2 {
		t.Fatalf("%d copies: %+v", len(l.Copies), l.Copies)
	}
	for _, c := range l.Copies {
		if c.Place != "logs" || c.Days != 5 || len(c.LackingDays) != 1 || c.LackingDays[0].Count() != 5 || c.LackingRecords != -1 {
			t.Errorf("%+v", c)
		}
	}
}

// TestUnanswered: what was not read is neither empty nor lost.
func TestUnanswered(t *testing.T) {
	all := days(own, 1, 9) // on the tenth day the service has nothing
	whole := func() *snap { return newSnap().put("own", "graph/directoryAudits", "id", "", "", all...) }

	l := whole().log(t, "directory-audits")
	if len(l.Copies) != 1 || len(l.Open) != 1 || len(l.Unread) != 0 || l.Open[0].From.Day() != 10 {
		t.Errorf("the service alone: %+v", l)
	}
	// The days were not answered, and the records were: that is no empty copy.
	l = whole().
		put("days", "arm/logDaysAuditLogs", "Day,First", weu, tickmark.ReasonThrottled).
		put("rows", "arm/logAuditLogs", "Id", weu, "", days(audit, 1, 9)...).
		log(t, "directory-audits")
	if len(l.Copies) != 2 || l.Copies[1].Unknown != tickmark.ReasonThrottled || len(l.Open) != 0 || len(l.Unread) != 1 {
		t.Errorf("days not answered: %+v", l)
	}
	// Nobody asked for the days.
	l = whole().put("rows", "arm/logAuditLogs", "Id", weu, "", days(audit, 1, 9)...).log(t, "directory-audits")
	if len(l.Copies) != 2 || l.Copies[1].Unknown != tickmark.ReasonNotRead {
		t.Errorf("days not asked: %+v", l)
	}
	// Left out by the operator, it is not read either.
	out := whole().put("days", "arm/logDaysAuditLogs", "Day,First", weu, "", days(func(n int) string { return day(n, 1) }, 1, 9)...)
	asks := out.s.Segments[0].Coverage.Asks
	asks[len(asks)-1].Excluded = []tickmark.Refusal{{Scope: neu, Reason: tickmark.ReasonExcluded}}
	l = out.log(t, "directory-audits")
	if len(l.Copies) != 2 || l.Copies[1].Unknown != tickmark.ReasonExcluded || len(l.Open) != 0 {
		t.Errorf("left out: %+v", l)
	}
	// Refused everywhere, there is no copy that could say so.
	l = whole().put("days", "arm/logDaysAuditLogs", "Day,First", weu, tickmark.ReasonNotPermitted).log(t, "directory-audits")
	if len(l.Copies) != 1 || l.Missing[logs.Workspace] != tickmark.ReasonNotPermitted || len(l.Open) != 0 || len(l.Unread) != 1 {
		t.Errorf("refused: %+v", l)
	}
}

// TestArchiveNames: an account in a resource group that begins as the containers
// of exports do is no export.
func TestArchiveNames(t *testing.T) {
	const box = "/subscriptions/s1/resourceGroups/am-prod/providers/Microsoft.Storage/storageAccounts/stlogs/insights-logs-signinlogs/tenantId=t/y="
	hour := func(n int) string {
		return fmt.Sprintf(`{"element":"Blob","name":"tenantId=t/y=2026/m=05/d=%02d/h=08/m=00/PT1H.json","time":"2026-05-%02dT08:00:00Z"}`, n, n)
	}
	l := newSnap().put("hours", "arm/archiveHoursSignIns", "name", box, "", days(hour, 1, 10)...).log(t, "sign-ins")
	if len(l.Copies) != 1 || l.Copies[0].Kind != logs.Archive || l.Copies[0].Place != "stlogs" || l.Copies[0].Days != 10 || l.Copies[0].Records != -1 {
		t.Errorf("%+v", l)
	}
}
