// SPDX-License-Identifier: Apache-2.0

package tickmark

import "time"

// Snapshot is everything one collection read, with its coverage. A snapshot
// made from files has one segment per input file.
type Snapshot struct {
	// ID names the snapshot inside one organisation; empty until recorded.
	ID string
	// Origin is "live" for Microsoft's endpoints, "files" for exports given by
	// hand, "trial" for a collection that may never be evidence and "sample"
	// for a simulator or test authority.
	Origin string
	// ObservedAt is the instant (UTC) from which the observations hold: the
	// server's date where a source gave one, else the collecting host's.
	ObservedAt time.Time
	Segments   []Segment
	Problems   []Problem
}

// Segment is the unit of collecting: one source and one scope.
type Segment struct {
	// Source is "arm", "graph", "devops", "power", "file" …
	Source string
	// Scope is the subscription, tenant, organisation or, for files, the
	// input's name as the user gave it.
	Scope    string
	Pages    []Page
	Coverage Coverage
}

// Page is one answer or one file as received.
type Page struct {
	// Name is the file name, or the request's method and path.
	Name string
	// Form says how the bytes were recognised: "resourceGraph",
	// "resourceGraphTable", "armList", "armObject", "graphCollection",
	// "graphEntity", "jsonLines", "array", "snapshot", "unrecognised".
	Form string
	// Entity is the tickmark type of Microsoft Graph, DevOps … items, named by
	// the page's context and not by the item ("graph/users"); empty for ARM.
	Entity string
	// Columns names the cells of each item of a Resource Graph table answer.
	Columns []string
	// Bytes are the received bytes (after decompression). They may be mapped
	// from a file: never write to them.
	Bytes []byte
	// Digest is the SHA-256 of Bytes.
	Digest Digest
	// Items are the resources inside Bytes, in order, not overlapping.
	Items []Item
	// ObservedAt is when the server produced the page; zero when unknown.
	ObservedAt time.Time
	// Ask names the question that the page answers (Coverage.Asks); empty for
	// files. Subject is the id of the resource or record that was asked about,
	// such as the vault of which the page lists the keys; empty for the scope.
	Ask, Subject string
	// Identity is the path of the member that tells the items of the page apart
	// below Subject, such as "pullRequestId"; empty for id.
	Identity string
	// Request is how the page was asked for; nil for files.
	Request *Request
}

// Request is the provenance of a page that a source answered with.
type Request struct {
	Method string `json:"method"`
	// URL has no credentials in it; query values that are tokens are replaced.
	URL string `json:"url"`
	// Body is what was sent, such as the text of a query; empty for GET.
	Body       string `json:"body,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
	Status     int    `json:"status"`
	// ID is the request id that the service gave.
	ID string `json:"id,omitempty"`
	// Received is the SHA-256 of the answer's bytes before secrets were
	// replaced; Page.Digest is that of the bytes that are kept.
	Received Digest `json:"received"`
	// Direct says that the resource's own provider answered, and not an index
	// that follows it: where both were read, this one is right.
	Direct bool `json:"direct,omitempty"`
}

// Item is where one resource lies in its page: Bytes[Off:Off+Len].
type Item struct {
	Off, Len int
}

// Coverage is what was asked, answered and refused for one segment. Absence
// may be concluded only from types listed in Complete. A collection has a
// segment with neither pages nor questions for each source that it left out:
// Missing and Detail say why.
type Coverage struct {
	Source string `json:"source"`
	Scope  string `json:"scope"`
	// Complete lists the resource types (canonical spelling) read completely
	// for Scope; "*" stands for all types of the source.
	Complete []string `json:"complete,omitempty"`
	// CompleteBy says who says so: "source" (the completeness contract held),
	// "operator" (--complete).
	CompleteBy string `json:"completeBy,omitempty"`
	Pages      int    `json:"pages"`
	Items      int    `json:"items"`
	// Declared is the total that the source stated (totalRecords, @odata.count);
	// -1 when it stated none.
	Declared int `json:"declared"`
	// Missing says why the segment is incomplete; ReasonNone when it is not
	// known to be. Files are never known to be complete.
	Missing Reason `json:"missing,omitempty"`
	// Detail explains Missing in words: what is left, where, what to do.
	Detail string `json:"detail,omitempty"`
	// Asks are the questions put to the source, in order; none for files.
	Asks []AskCoverage `json:"asks,omitempty"`
}

// AskCoverage is what one question came to: the completeness contract. A
// question can take many requests: pages, or one for each of many resources.
type AskCoverage struct {
	Name string `json:"name"`
	// Types are the resource types (canonical spelling) that the question, if
	// wholly answered, reads completely for the segment's scope.
	Types []string `json:"types,omitempty"`
	// Direct says that the resources' own provider was asked, and not an index
	// that follows it (Request.Direct): it holds when there are no pages, too.
	Direct bool `json:"direct,omitempty"`
	// Subjects is how many resources or scopes were to be asked about, Answered
	// how many of them answered wholly. The others are in Refusals.
	Subjects int `json:"subjects"`
	Answered int `json:"answered"`
	Requests int `json:"requests"`
	Pages    int `json:"pages"`
	Rows     int `json:"rows"`
	// Unique counts the distinct ids among the rows.
	Unique int `json:"unique"`
	// Declared is the total that the source stated; -1 when it stated none.
	Declared int `json:"declared"`
	// Missing says why the question as a whole is not answered; ReasonNone when
	// it is, except for the Refusals.
	Missing  Reason    `json:"missing,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Refusals []Refusal `json:"refusals,omitempty"`
	// Excluded are scopes that the operator left out, and why.
	Excluded []Refusal `json:"excluded,omitempty"`
	// Span is the time that the rows of a log cover; nil for what is not a log.
	Span *Span `json:"span,omitempty"`
	// Skew is the greatest difference found between the source's clock and the
	// host's.
	Skew time.Duration `json:"skew,omitempty"`
}

// Refusal is a resource or scope that did not answer.
type Refusal struct {
	Scope  string `json:"scope"`
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"` // the source's own error code
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// Span is what a log was asked for and what it had.
type Span struct {
	From time.Time `json:"from"` // asked, inclusive
	To   time.Time `json:"to"`   // asked, exclusive
	// First and Last are the times of the first and the last record; zero when
	// there was none.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Kept is since when the source keeps records at all; zero when unknown.
	// What lies between From and Kept is a gap, not an absence of events.
	Kept time.Time `json:"kept,omitzero"`
	Gaps []Gap     `json:"gaps,omitempty"`
}

// Gap is a time of which a log says nothing, and why that is known.
type Gap struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail,omitempty"`
}

// Problem is something wrong with the input that did not stop the run: what,
// where, why, what to do. A problem always lowers coverage.
type Problem struct {
	Input  string `json:"input"`            // file or request
	Line   int    `json:"line,omitempty"`   // 1-based; 0 when unknown
	Col    int    `json:"col,omitempty"`    // 1-based, in bytes
	Byte   int64  `json:"byte"`             // offset in Input, 0-based; -1 when unknown
	Object string `json:"object,omitempty"` // resource id, or "item 17"
	Reason Reason `json:"reason"`
	What   string `json:"what"`
	Hint   string `json:"hint,omitempty"` // what to do
}
