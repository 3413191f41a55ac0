// SPDX-License-Identifier: Apache-2.0

// Command tickmark takes an organisation whose service runs on Microsoft Azure
// to a SOC 2 Type 2 examination that can be re-performed from raw evidence.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/tickmark/tickmark"
)

// commands is the whole command line.
type commands struct {
	Assess       assessCommand       `cmd:"" help:"Run the checks over exported Azure and Entra objects."`
	ExportScript exportScriptCommand `cmd:"" help:"Print a read-only shell script that exports what assess reads."`
	Version      versionCommand      `cmd:"" help:"Print the version."`

	collectCommands
	evidenceCommands
	Changes changesCommands `cmd:"" help:"Who wrote, reviewed, approved and deployed each change."`
	Logs    logsCommand     `cmd:"" help:"What the copies of each log cover: first and last record, days and records that one has and another lacks."`
	policyCommands
	simCommands
	catalogCommands
}

// runContext is what a command may use of the world.
type runContext struct {
	Context  context.Context //nolint:containedctx // one run, one context: kong passes it to Run
	In       io.Reader
	Out, Err io.Writer
	// Now is the wall clock.
	Now func() time.Time
	// Color says that standard output is a terminal that wants colour; Progress
	// that standard error is one; Width is the terminal's, 0 when unknown.
	Color, Progress bool
	Width           int
}

func main() { os.Exit(start()) }

// start runs the command with the process's own streams and clock.
func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rc := &runContext{Context: ctx, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: time.Now}
	rc.Color, rc.Width = terminal(os.Stdout)
	rc.Progress = term.IsTerminal(int(os.Stderr.Fd()))
	return run(os.Args[1:], rc)
}

// terminal reports whether f wants colour, and its width.
func terminal(f *os.File) (color bool, width int) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return false, 0
	}
	w, _, err := term.GetSize(fd)
	if err != nil {
		w = 0
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", w
}

// exitError carries the status with which kong's own help wants to end.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// run parses args, runs the command and returns the exit status.
func run(args []string, rc *runContext) (status int) {
	var c commands
	out := &output{w: rc.Out}
	rc.Out = out
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exitError)
			if !ok {
				panic(r)
			}
			status = int(e)
		}
		status = out.finish(rc.Err, status)
	}()
	parser, err := kong.New(&c, kong.Name("tickmark"), kong.Writers(rc.Out, rc.Err), kong.UsageOnError(),
		kong.Description("Takes an organisation on Microsoft Azure to a SOC 2 Type 2 examination that can be re-performed from raw evidence."),
		kong.Exit(func(code int) { panic(exitError(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
	if err != nil {
		return finish(rc, err)
	}
	k, err := parser.Parse(joinShow(args))
	if err != nil {
		fmt.Fprintf(rc.Err, "tickmark: %v\nRun 'tickmark --help' for the commands.\n", err)
		return tickmark.ExitUsage
	}
	return finish(rc, k.Run(rc))
}

// joinShow makes one argument of the two in "--show check ID", because the view
// and its object read better without quotes and a flag takes one value.
func joinShow(args []string) []string {
	i := slices.Index(args, "--show")
	if i < 0 || i+2 >= len(args) || strings.HasPrefix(args[i+2], "-") {
		return args
	}
	switch args[i+1] {
	case "check", "criterion", "resource":
		return slices.Concat(args[:i+1], []string{args[i+1] + " " + args[i+2]}, args[i+3:])
	}
	return args
}

// statusError ends the run with a status and without a message: what there is
// to say was printed.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// finish prints an error for a person and returns the exit status.
func finish(rc *runContext, err error) int {
	if st, ok := errors.AsType[statusError](err); ok {
		return int(st)
	}
	if err == nil {
		return tickmark.ExitFine
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(rc.Err, "tickmark: interrupted; nothing was left half done")
		return tickmark.ExitIncomplete
	}
	fmt.Fprintf(rc.Err, "tickmark: %v\n", err)
	var e *tickmark.Error
	if errors.As(err, &e) && e.Hint != "" {
		fmt.Fprintf(rc.Err, "  %s\n", strings.ReplaceAll(e.Hint, "\n", "\n  "))
	}
	return tickmark.ExitStatus(err)
}

// version is the module's version as built, or the one the build set.
var version = ""

func engineVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "0.1.0-dev"
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(rc *runContext) error { //nolint:unparam // kong asks for the error
	fmt.Fprintf(rc.Out, "tickmark %s\n", engineVersion())
	return nil
}
