// SPDX-License-Identifier: Apache-2.0

// Package devops holds the questions that are put to Azure DevOps and GitHub:
// enough to say of each change who wrote, reviewed, approved and deployed it.
// They are data: the engine in package collect does the asking.
package devops

import "github.com/tickmark/tickmark/collect"

// Source returns Azure DevOps with its questions.
func Source() collect.Source {
	return collect.Source{Name: "devops", Title: "Azure DevOps"}
}

// GitHub returns GitHub with its questions.
func GitHub() collect.Source {
	return collect.Source{Name: "github", Title: "GitHub"}
}
