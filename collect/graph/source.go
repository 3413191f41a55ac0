// SPDX-License-Identifier: Apache-2.0

// Package graph holds the questions that are put to Microsoft Graph, which serves Entra ID, Intune and Microsoft 365.
// They are data: the engine in package collect does the asking.
package graph

import "github.com/tickmark/tickmark/collect"

// Source returns the source with its questions.
func Source() collect.Source {
	return collect.Source{Name: "graph", Title: "Microsoft Graph"}
}
