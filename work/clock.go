// SPDX-License-Identifier: Apache-2.0

package work

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/collect"
)

// ClockSkew is how far this host's clock is from those of the services.
type ClockSkew struct {
	// Sources are those that answered with a date; none where it is not known.
	Sources []string
	// Skew is the greatest difference, of the source Of: above 0 the host's clock
	// is behind. It is 0 within the time that a request took and the second to
	// which services date.
	Skew time.Duration
	Of   string
}

// ClockOf reads the dates of the services' answers.
func ClockOf(found []collect.Reach) (c ClockSkew) {
	for i := range found {
		f := &found[i]
		if !f.Dated {
			continue
		}
		if !slices.Contains(c.Sources, f.Source) {
			c.Sources = append(c.Sources, f.Source)
		}
		if c.Of == "" || f.Skew.Abs() > c.Skew.Abs() {
			c.Skew, c.Of = f.Skew, f.Source
		}
	}
	slices.Sort(c.Sources)
	return c
}

// Wrong reports whether the difference is one at which something is wrong.
func (c ClockSkew) Wrong() bool { return c.Skew.Abs() > collect.MaxSkew }

// String says it in words.
func (c ClockSkew) String() string {
	if c.Skew == 0 {
		return "as the services have it (" + strings.Join(c.Sources, ", ") + "), to the second"
	}
	way := "behind"
	if c.Skew < 0 {
		way = "ahead of"
	}
	return fmt.Sprintf("%v %s the date in answers of %s; asked: %s", c.Skew.Abs().Round(time.Second), way, c.Of, strings.Join(c.Sources, ", "))
}
