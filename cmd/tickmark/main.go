// SPDX-License-Identifier: Apache-2.0

// Command tickmark takes an organisation on Microsoft Azure to a SOC 2
// examination that can be re-performed from raw evidence.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tickmark/tickmark"
)

// app is what every command gets: where to write, and the wall clock.
type app struct {
	ctx    context.Context //nolint:containedctx // one run of the command
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
}

// commands is the command line.
type commands struct {
	evidenceCommands
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) //nolint:forbidigo // main
}

// run is main without the process, so that tests can call it.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit := -1
	parser, err := kong.New(&commands{}, kong.Name("tickmark"), kong.Writers(stdout, stderr), kong.Exit(func(n int) { exit = n }))
	if err != nil {
		return fail(stderr, err)
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		return fail(stderr, &tickmark.Error{Code: tickmark.CodeUsage, What: err.Error(), Hint: "see: tickmark --help"})
	}
	return fail(stderr, parsed.Run(&app{ctx: ctx, stdout: stdout, stderr: stderr, now: time.Now}))
}

// fail says what went wrong and returns the exit status.
func fail(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintln(stderr, "tickmark:", err)
		var e *tickmark.Error
		if errors.As(err, &e) && e.Hint != "" {
			fmt.Fprintln(stderr, "  hint:", e.Hint)
		}
	}
	return tickmark.ExitStatus(err)
}
