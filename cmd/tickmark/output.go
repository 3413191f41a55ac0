// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tickmark/tickmark"
)

// output is standard output as the commands see it. It keeps the first error,
// so that a command may print without looking and a half-written answer still
// cannot end in a status that says fine.
type output struct {
	w   io.Writer
	err error
}

// Write implements io.Writer. After an error nothing more is written.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	o.err = err
	return n, err
}

// finish says that the output is not whole, if so, and returns the status.
func (o *output) finish(stderr io.Writer, status int) int {
	if o.err == nil || status == tickmark.ExitUsage {
		return status
	}
	fmt.Fprintf(stderr, "tickmark: standard output cannot be written: %v\n", o.err)
	return tickmark.ExitIncomplete
}

// present refuses paths that do not exist: what they should have held would
// otherwise be taken for absent.
func present(paths []string) error {
	for _, p := range paths {
		if p == "-" {
			continue
		}
		if _, err := os.Stat(p); err != nil {
			if at, ok := errors.AsType[*fs.PathError](err); ok {
				err = at.Err // the path stands before it, made printable
			}
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: printable(p), What: "cannot be read", Hint: "give a file or folder of exported objects", Err: err}
		}
	}
	return nil
}
