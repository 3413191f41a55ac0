// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/minio/simdjson-go"

	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// stages are the times of one whole run.
type stages struct {
	open, redact, build, evaluate time.Duration
	pairs, resources              int
}

func (s *stages) total() time.Duration { return s.open + s.redact + s.build + s.evaluate }

// wholeRun measures reading the export and evaluating the initiative beside
// simdjson-go on the same bytes. The rounds alternate, so that what else the
// machine does meets both.
func wholeRun(w io.Writer, lib *policy.Library, path string, rounds int) error {
	if !simdjson.SupportedCPU() {
		_, err := fmt.Fprintln(w, "whole run: skipped, simdjson-go does not support this processor")
		return err
	}
	data, err := os.ReadFile(path) // and the page cache is warm
	if err != nil {
		return err
	}
	var ours, theirs, ourCPU, theirCPU []time.Duration
	var parts []stages
	var pj *simdjson.ParsedJson
	values := 0
	for range rounds {
		x, err := soc2(lib) // fresh, so that programs are specialised within the run
		if err != nil {
			return err
		}
		runtime.GC()
		used := processorTime()
		s, err := tickmarkRun(path, x)
		if err != nil {
			return err
		}
		ours, parts = append(ours, s.total()), append(parts, s)
		ourCPU = append(ourCPU, processorTime()-used)
		runtime.GC()
		cpus := runtime.GOMAXPROCS(1) // Parse runs its two stages in goroutines
		used = processorTime()
		start := time.Now()
		pj, values, err = simdjsonRun(data, pj)
		theirs, theirCPU = append(theirs, time.Since(start)), append(theirCPU, processorTime()-used)
		runtime.GOMAXPROCS(cpus)
		if err != nil {
			return err
		}
	}
	part := func(of func(stages) time.Duration) time.Duration {
		var list []time.Duration
		for _, s := range parts {
			list = append(list, of(s))
		}
		return median(list).Round(time.Millisecond)
	}
	mb := float64(len(data)) / 1e6
	a, b := median(ours), median(theirs)
	_, err = fmt.Fprintf(w, `
whole run, %.0f MB, %d resources, %d pairs, medians of %d alternating rounds
  tickmark, %d processors   %v = %.0f MB/s (read and hash %v, redact %v, parse and index %v, evaluate %v)
  simdjson-go, one          %v = %.0f MB/s (parse and walk %d values, one reused tape)
  ratio                     %.2f (target: at most 2)
  processor time            %v and %v: on a machine that does nothing else, the ratio is about %.2f
`, mb, parts[0].resources, parts[0].pairs, rounds, runtime.GOMAXPROCS(0), a.Round(time.Millisecond), mb/a.Seconds(),
		part(func(s stages) time.Duration { return s.open }), part(func(s stages) time.Duration { return s.redact }),
		part(func(s stages) time.Duration { return s.build }), part(func(s stages) time.Duration { return s.evaluate }),
		b.Round(time.Millisecond), mb/b.Seconds(), values, a.Seconds()/b.Seconds(),
		median(ourCPU).Round(time.Millisecond), median(theirCPU).Round(time.Millisecond),
		median(ourCPU).Seconds()/float64(runtime.GOMAXPROCS(0))/median(theirCPU).Seconds())
	return err
}

// processorTime is what this process has used of all processors, in the user's
// code and the system's.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tickmarkRun is what a person waits for: the file opened and hashed, secrets
// redacted, the strict inventory, and every policy on every resource.
func tickmarkRun(path string, x *policy.Assigned) (stages, error) {
	var s stages
	ctx, at := context.Background(), time.Now()
	lap := func() time.Duration {
		d := time.Since(at)
		at = at.Add(d)
		return d
	}
	files, err := file.Open(ctx, []string{path}, file.Options{ObservedAt: now})
	if err != nil {
		return s, err
	}
	defer func() { _ = files.Close() }()
	s.open = lap()
	red := inventory.Redact(&files.Snapshot)
	for i := range red {
		files.Forget(red[i].Received)
	}
	s.redact = lap()
	inv, err := inventory.Build(ctx, &files.Snapshot, inventory.Options{Redactions: red})
	if err != nil {
		return s, err
	}
	if len(inv.Problems) > 0 {
		return s, fmt.Errorf("the export has problems, first: %v", inv.Problems[0])
	}
	s.build = lap()
	run, err := check.RunInitiative(ctx, inv, x, check.Options{Now: now})
	if err != nil {
		return s, err
	}
	s.evaluate = lap()
	s.pairs, s.resources = run.Pairs, len(inv.Resources)
	if run.Pairs == 0 {
		return s, errors.New("no policy of the initiative met a resource")
	}
	return s, nil
}

// simdjsonRun parses the bytes and reads every value. Strings are left in the
// message, which is faster than the default.
func simdjsonRun(data []byte, reuse *simdjson.ParsedJson) (*simdjson.ParsedJson, int, error) {
	pj, err := simdjson.Parse(data, reuse, simdjson.WithCopyStrings(false))
	if err != nil {
		return nil, 0, err
	}
	n, size := 0, 0
	for it := pj.Iter(); ; {
		switch it.AdvanceInto() {
		case simdjson.TagEnd:
			if size == 0 {
				return pj, n, errors.New("simdjson-go found no strings")
			}
			return pj, n, nil
		case simdjson.TagString:
			b, err := it.StringBytes()
			if err != nil {
				return pj, n, err
			}
			size += len(b)
		case simdjson.TagInteger, simdjson.TagUint, simdjson.TagFloat:
			if _, err := it.Float(); err != nil {
				return pj, n, err
			}
		}
		n++
	}
}
