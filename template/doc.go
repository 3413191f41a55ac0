// SPDX-License-Identifier: Apache-2.0

// Package template turns what would be deployed into resource objects of the
// shape that Azure answers with, so that rules for deployed resources can be
// run before deployment.
//
// It reads two kinds of input: ARM templates, as written by hand or by "bicep
// build", with their parameters; and Terraform plans ("terraform show -json"),
// of which azapi resources are taken as they are and the azurerm types that
// azurerm.txt describes are mapped.
//
// What is known only after deployment (reference(), list*(), a parameter
// without value, an attribute that the provider computes) becomes a marker
// string that jsontape reads as an unobserved value with the reason planTime,
// so that a verdict which needs it is Unknown. Values of secure parameters
// become markers with the reason redacted. An object of which further members
// may exist carries the member OpenMember.
//
// Expand does no I/O of its own and asks no clock: linked templates come
// through Options.Open, the instant of utcNow is Options.Now.
package template
