// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
)

// simCommands are part of the command line.
type simCommands struct {
	Sim simCommand `cmd:"" help:"Serve a simulated Azure on this machine, to try and to test with."`
}

// simCommand serves an organisation until it is interrupted.
type simCommand struct {
	Org        string `help:"YAML file that describes the organisation (doc/spec/sim.md); an invented company without it." placeholder:"FILE"`
	Listen     string `help:"Address of the first endpoint; the others have the ports after it. Free ports without it." placeholder:"HOST:PORT"`
	Endpoints  string `help:"Write the endpoints and the certificate authority to this file, for tickmark collect --endpoints." placeholder:"FILE"`
	Quotas     string `help:"Whether the services' request limits hold: ${enum}." enum:"real,off" default:"real"`
	Faults     string `help:"YAML file with a list of faults to inject." placeholder:"FILE"`
	Seed       uint64 `help:"Decides all that is made up: the same seed, the same answers." default:"1"`
	Now        string `help:"What the simulated clock shows at the start (RFC 3339); this machine's time without it. Collectors that read --endpoints go by it." placeholder:"INSTANT"`
	Rate       string `help:"How many times as fast as this machine's the simulated clock goes; 0 stands still (with --quotas off)." placeholder:"N"`
	PageSize   int    `help:"At most this many rows a page, so that a small organisation has several." placeholder:"ROWS"`
	ListFaults bool   `help:"List the faults that can be injected, and end."`
	PrintOrg   bool   `help:"Print the organisation that is served without --org, and end."`
}

// Run is called by kong.
func (c *simCommand) Run(rc *runContext) error {
	switch {
	case c.ListFaults:
		w := tabwriter.NewWriter(rc.Out, 0, 8, 2, ' ', 0)
		for _, f := range azuresim.Faults() {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.ID, f.Where, f.Title)
		}
		return w.Flush()
	case c.PrintOrg:
		_, err := rc.Out.Write(azuresim.DefaultYAML())
		return err
	}
	s, err := c.open(rc)
	if err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	err = c.serve(rc, s)
	if closed := s.Close(); err == nil {
		err = closed
	}
	return err
}

func (c *simCommand) open(rc *runContext) (*azuresim.Sim, error) {
	read := func(file string) ([]byte, error) {
		b, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the file cannot be read", Where: file, Err: err}
		}
		return b, nil
	}
	org, err := azuresim.Default()
	if c.Org != "" {
		var b []byte
		if b, err = read(c.Org); err == nil {
			org, err = azuresim.Parse(c.Org, b)
		}
	}
	if err != nil {
		return nil, err
	}
	clock, err := c.clock(rc)
	if err != nil {
		return nil, err
	}
	o := azuresim.Options{Seed: c.Seed, Now: rc.Now, Clock: clock, Quotas: c.Quotas == "real", Listen: c.Listen, PageSize: c.PageSize, Errors: rc.Err}
	if c.Faults != "" {
		b, err := read(c.Faults)
		if err != nil {
			return nil, err
		}
		if o.Faults, err = azuresim.ParseFaults(c.Faults, b); err != nil {
			return nil, err
		}
	}
	return azuresim.NewContext(rc.Context, org, o)
}

// clock is the simulated clock that the flags ask for; nil is this machine's.
func (c *simCommand) clock(rc *runContext) (*azuresim.Clock, error) {
	if c.Now == "" && c.Rate == "" {
		return nil, nil //nolint:nilnil // no clock of its own is an answer
	}
	at := rc.Now()
	shows, err := instant(c.Now, func() time.Time { return at })
	if err != nil {
		return nil, err
	}
	rate := 1.0
	if c.Rate != "" {
		if rate, err = strconv.ParseFloat(c.Rate, 64); err != nil {
			return nil, usageError("--rate "+c.Rate, "not a number", "write it like 60; 0 stands still")
		}
	}
	if rate == 0 && c.Quotas == "real" {
		return nil, usageError("--rate 0", "beside a clock that stands still no quota ever has room again", "add --quotas off")
	}
	return &azuresim.Clock{At: at, Shows: shows, Rate: rate}, nil
}

// serve prints where everything is, waits for the end, and says what was asked.
func (c *simCommand) serve(rc *runContext, s *azuresim.Sim) error {
	if c.Endpoints != "" {
		if err := s.EndpointsFile(c.Endpoints); err != nil {
			return err
		}
	}
	fmt.Fprintf(rc.Out, "Serving %s: a simulation, not Microsoft's clouds.\n", s.Organisation().Name)
	w := tabwriter.NewWriter(rc.Out, 0, 8, 2, ' ', 0)
	for _, h := range s.Hosts() {
		fmt.Fprintf(w, "  %s\t%s\n", h, s.Endpoint(h))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(rc.Out, "  tenant %s\n", s.Organisation().Tenant.ID)
	if c.Now != "" || c.Rate != "" {
		fmt.Fprintf(rc.Out, "  the clock shows %s\n", s.Now().Format(time.RFC3339))
	}
	if c.Endpoints != "" {
		fmt.Fprintf(rc.Out, "Endpoints and certificate authority: %s\n", c.Endpoints)
	}
	fmt.Fprintln(rc.Out, "Interrupt to end.")
	<-rc.Context.Done()
	return c.summary(rc, s.Log(), s.Hits())
}

// mostPaths bounds the addresses that the summary lists.
const mostPaths = 15

// summary says what was asked of the simulator.
func (c *simCommand) summary(rc *runContext, l azuresim.Log, hits map[string]int) error {
	fmt.Fprintln(rc.Out, count(l.Total, "request", "requests"))
	w := tabwriter.NewWriter(rc.Out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, h := range slices.Sorted(maps.Keys(l.ByHost)) {
		fmt.Fprintf(w, "%d\t  %s\t\n", l.ByHost[h], h)
	}
	for _, st := range slices.Sorted(maps.Keys(l.ByStatus)) {
		fmt.Fprintf(w, "%d\t  answered %d\t\n", l.ByStatus[st], st)
	}
	paths := slices.SortedFunc(maps.Keys(l.ByPath), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.ByPath[b], l.ByPath[a]), strings.Compare(a, b))
	})
	for i, p := range paths {
		if i == mostPaths {
			fmt.Fprintf(w, "\t  and %d more paths\t\n", len(paths)-i)
			break
		}
		fmt.Fprintf(w, "%d\t  %s\t\n", l.ByPath[p], p)
	}
	for _, id := range slices.Sorted(maps.Keys(hits)) {
		fmt.Fprintf(w, "%d\t  fault %s\t\n", hits[id], id)
	}
	fmt.Fprintf(w, "%d\t  with a token for another host\t\n", l.Misdirected)
	fmt.Fprintf(w, "%d\t  to a host that nobody may be sent to, %d of them with a token\t\n", l.Foreign, l.WithToken)
	return w.Flush()
}
