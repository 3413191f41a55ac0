// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limit is a tolerance as a length of time. A business day is not a day: who
// counts 14 days for ten business days judges a late instance as in time.
type Limit struct {
	// Amount is a number, or {name} of a field of the statement.
	Amount string `yaml:"amount"`
	Unit   string `yaml:"unit"` // days, businessDays, hours
}

var limitUnits = []string{"days", "businessDays", "hours"}

// Number returns the amount; false while a field in it is not filled in.
func (l *Limit) Number() (int, bool) {
	if n, err := strconv.Atoi(strings.TrimSpace(l.Amount)); err == nil {
		return n, true
	}
	for _, t := range timesIn(l.Amount) {
		if t.unit == l.Unit {
			return t.n, true
		}
	}
	return 0, false
}

// String is the limit in words.
func (l *Limit) String() string {
	unit := l.Unit
	if unit == "businessDays" {
		unit = "business days"
	}
	if n, ok := l.Number(); ok {
		if n == 1 {
			unit = strings.TrimSuffix(unit, "s")
		}
		return fmt.Sprintf("%d %s", n, unit)
	}
	return l.Amount + " " + unit
}

// length is a length of time as a text says it.
type length struct {
	n    int
	unit string
}

var (
	timeForm    = regexp.MustCompile(`(?i)\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty)\s+(business |working )?(day|hour|week|month)s?\b`)
	numberWords = map[string]int{
		"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
		"twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
	}
)

// timesIn finds the lengths of time in a text. Weeks count seven days; months
// keep their name, because they have no length in days.
func timesIn(text string) []length {
	var out []length
	for _, m := range timeForm.FindAllStringSubmatch(text, -1) {
		n, ok := numberWords[strings.ToLower(m[1])]
		if !ok {
			n, _ = strconv.Atoi(m[1]) // the form admits digits only; one too long for an int is 0 and matches nothing
		}
		unit := strings.ToLower(m[3]) + "s"
		switch {
		case m[2] != "" && unit == "days":
			unit = "businessDays"
		case unit == "weeks":
			n, unit = 7*n, "days"
		}
		out = append(out, length{n, unit})
	}
	return out
}

// says reports whether one of the lengths is n of unit. Twelve months are 365
// or 366 days.
func says(times []length, n int, unit string) bool {
	return slices.ContainsFunc(times, func(t length) bool {
		return t == length{n, unit} || t.unit == "months" && unit == "days" && n >= 30*t.n && n <= 31*t.n
	})
}

// lintTolerance holds the limit to the words: the tolerance has to say it, and
// neither the tolerance nor the statement may count the same number otherwise.
func lintTolerance(k *Control, add func(rule string, serious bool, what, hint string)) {
	l := k.Instance.Limit
	if l == nil {
		return
	}
	n, ok := l.Number()
	if !ok {
		if !placeholder.MatchString(l.Amount) {
			add("tolerance", true, fmt.Sprintf("the limit %q is not a number of %s", l.Amount, l.Unit), "give a number, or change the unit with it")
		}
		return
	}
	tolerance, statement := timesIn(k.Instance.Tolerance), timesIn(k.Statement)
	if !says(tolerance, n, l.Unit) {
		add("tolerance", true, fmt.Sprintf("the limit is %s, but the tolerance says %q", l, k.Instance.Tolerance), "let words and number say the same; a late instance is judged by the number")
	}
	other := map[string]string{"days": "businessDays", "businessDays": "days"}[l.Unit]
	if other != "" && !says(statement, n, l.Unit) && says(statement, n, other) {
		add("tolerance", true, fmt.Sprintf("the statement counts %s, the limit is %s", &Limit{strconv.Itoa(n), other}, l), "a business day is not a day: use the unit of the statement")
	}
}
