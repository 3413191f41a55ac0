// SPDX-License-Identifier: Apache-2.0

package tickmark

import (
	"errors"
	"fmt"
)

// Code classes an error by what the caller can do about it.
type Code string

// The error codes. ExitStatus maps them to the process's exit status.
const (
	CodeUsage      Code = "usage"      // the command line or a setting is wrong
	CodeInput      Code = "input"      // a file or answer cannot be used
	CodeIncomplete Code = "incomplete" // something was not read; what was, stands
	CodeTampered   Code = "tampered"   // stored evidence does not verify
	CodeConflict   Code = "conflict"   // somebody else changed it first
	CodeInternal   Code = "internal"   // a defect of tickmark
)

// Error is an error meant for a person: what went wrong, where, and what to do.
type Error struct {
	Code  Code
	What  string // what went wrong, lower case, without full stop
	Where string // file:line, object or setting; may be empty
	Hint  string // what to do; may be empty
	Err   error  // the cause; may be nil
}

// Error implements error: "where: what: cause".
func (e *Error) Error() string {
	s := e.What
	if e.Where != "" {
		s = e.Where + ": " + s
	}
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The exit statuses of the command. When several apply, the order of
// precedence is 2, 4, 3, 1.
const (
	ExitFine       = 0 // nothing at or above the threshold
	ExitFindings   = 1 // failing checks at or above the threshold
	ExitUsage      = 2
	ExitIncomplete = 3
	ExitInternal   = 4
)

// ExitStatus returns the exit status for err; nil is ExitFine. An error that
// carries no Code is internal.
func ExitStatus(err error) int {
	if err == nil {
		return ExitFine
	}
	var e *Error
	if !errors.As(err, &e) {
		return ExitInternal
	}
	switch e.Code {
	case CodeUsage:
		return ExitUsage
	case CodeInput, CodeIncomplete, CodeConflict: // somebody else was faster; try again
		return ExitIncomplete
	case CodeTampered:
		return ExitFindings
	case CodeInternal:
		return ExitInternal
	}
	return ExitInternal
}
