// SPDX-License-Identifier: Apache-2.0

// Package power holds the questions that are put to the administration of Power Platform, Dataverse and Dynamics 365.
// They are data: the engine in package collect does the asking.
package power

import "github.com/tickmark/tickmark/collect"

// Source returns the source with its questions.
func Source() collect.Source {
	return collect.Source{Name: "power", Title: "Power Platform"}
}
