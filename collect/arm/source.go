// SPDX-License-Identifier: Apache-2.0

// Package arm holds the questions that are put to Azure Resource Manager, Resource Graph and Log Analytics.
// They are data: the engine in package collect does the asking.
package arm

import "github.com/tickmark/tickmark/collect"

// Source returns the source with its questions.
func Source() collect.Source {
	return collect.Source{Name: "arm", Title: "Azure Resource Manager"}
}
