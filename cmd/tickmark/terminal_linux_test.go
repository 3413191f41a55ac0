// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestTerminal runs the command in front of a pseudo-terminal, because colour
// is for a person only: testdata/terminal/*.txtar.
func TestTerminal(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/terminal", RequireExplicitExec: true, Setup: scriptSetup(t),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"terminal": scriptTerminal},
	})
}

// scriptTerminal is "terminal COLUMNS program ARGUMENTS…": what a terminal
// that wide receives goes to the file screen.
func scriptTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: terminal columns program arguments…")
	}
	columns, err := strconv.ParseUint(args[0], 10, 16)
	ts.Check(err)
	master, slave, err := openTerminal(uint16(columns))
	ts.Check(err)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), slave, slave
	for _, k := range []string{"TERM", "NO_COLOR", "PATH", "HOME"} {
		cmd.Env = append(cmd.Env, k+"="+ts.Getenv(k))
	}
	ts.Check(cmd.Start())
	ts.Check(slave.Close())
	var screen bytes.Buffer
	_, _ = io.Copy(&screen, master) // ends with EIO once the last writer is gone
	ts.Check(cmd.Wait())
	ts.Check(master.Close())
	ts.Check(os.WriteFile(ts.MkAbs("screen"), screen.Bytes(), 0o600))
}

// openTerminal makes a pseudo-terminal of 40 rows.
func openTerminal(columns uint16) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns})
	}
	return master, slave, err
}
