// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longest is the longest wait that is computed with; a service that says more
// is taken to have said this.
const longest = 400 * 24 * time.Hour

// retryAfter reads how long a service wants to be left alone. ok is false when
// it does not say.
func retryAfter(h http.Header, now time.Time) (d time.Duration, ok bool) {
	for _, name := range []string{"x-ms-retry-after-ms", "retry-after-ms"} {
		if n, err := strconv.ParseFloat(strings.TrimSpace(h.Get(name)), 64); err == nil && n >= 0 {
			return bound(n / 1000), true
		}
	}
	if s := strings.TrimSpace(h.Get("Retry-After")); s != "" {
		if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 {
			return bound(n), true
		}
		if t, err := http.ParseTime(s); err == nil {
			// A second more: the date has whole seconds.
			return bound(max(0, sourceDate(h, t, now).Seconds()) + 1), true
		}
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		if n, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Reset")), 10, 64); err == nil && n > 0 {
			return bound(max(0, sourceDate(h, time.Unix(n, 0), now).Seconds()) + 1), true
		}
	}
	return 0, false
}

// sourceDate is how far off t is by the longer of the service's clock and ours.
func sourceDate(h http.Header, t, now time.Time) time.Duration {
	d := t.Sub(now)
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		d = max(d, t.Sub(date))
	}
	return d
}

// bound turns seconds into a duration that cannot overflow.
func bound(seconds float64) time.Duration {
	if math.IsNaN(seconds) || seconds > longest.Seconds() {
		return longest
	}
	return time.Duration(seconds * float64(time.Second))
}

// quotaLeft reads what is left of the quota and when it is full again.
func quotaLeft(h http.Header, now time.Time) (left int, resets time.Duration, ok bool) {
	if s := h.Get("x-ms-user-quota-remaining"); s != "" { // Resource Graph, "hh:mm:ss"
		n, err := strconv.Atoi(s)
		return n, clockText(h.Get("x-ms-user-quota-resets-after")), err == nil
	}
	for _, name := range []string{"x-ms-ratelimit-remaining-subscription-reads", "x-ms-ratelimit-remaining-tenant-reads"} {
		if n, err := strconv.Atoi(h.Get(name)); err == nil {
			if n > 0 {
				return n, 0, true
			}
			return n, time.Second, true
		}
	}
	if n, err := strconv.Atoi(h.Get("RateLimit-Remaining")); err == nil { // Graph
		sec, err := strconv.ParseFloat(h.Get("RateLimit-Reset"), 64)
		if err != nil || sec < 0 {
			sec = 1
		}
		return n, bound(sec), true
	}
	if n, err := strconv.Atoi(h.Get("X-RateLimit-Remaining")); err == nil { // GitHub, DevOps
		at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
		if err != nil || at <= 0 {
			return n, 0, true
		}
		return n, bound(max(0, sourceDate(h, time.Unix(at, 0), now).Seconds()) + 1), true
	}
	return 0, 0, false
}

// clockText reads "00:00:05".
func clockText(s string) time.Duration {
	var d time.Duration
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0
	}
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, err := strconv.ParseFloat(parts[i], 64)
		if err != nil || n < 0 || n > 1e6 {
			return 0
		}
		d += time.Duration(n * float64(unit))
	}
	return d
}

// throttled reports whether the answer says that too much was asked. GitHub
// says so with 403.
func throttled(status int, h http.Header) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		_, ok := retryAfter(h, time.Time{})
		return ok
	case http.StatusForbidden:
		return h.Get("Retry-After") != "" || h.Get("X-RateLimit-Remaining") == "0"
	}
	return false
}

// nextOf reads the address of rel="next" from Link headers (RFC 8288).
func nextOf(h http.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			open := strings.IndexByte(line, '<')
			if open < 0 {
				break
			}
			shut := strings.IndexByte(line[open:], '>')
			if shut < 0 {
				break
			}
			target := line[open+1 : open+shut]
			params, rest := cutOutside(line[open+shut+1:], ',')
			for params != "" {
				var p string
				p, params = cutOutside(params, ';')
				k, v, _ := strings.Cut(p, "=")
				if !strings.EqualFold(strings.TrimSpace(k), "rel") {
					continue
				}
				for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(v), `"`)) {
					if strings.EqualFold(rel, "next") {
						return target
					}
				}
			}
			line = rest
		}
	}
	return ""
}

// cutOutside cuts s at the first sep outside quotes.
func cutOutside(s string, sep byte) (before, after string) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case sep:
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}
