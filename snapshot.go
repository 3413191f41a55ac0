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
}

// Item is where one resource lies in its page: Bytes[Off:Off+Len].
type Item struct {
	Off, Len int
}

// Coverage is what was asked, answered and refused for one segment. Absence
// may be concluded only from types listed in Complete.
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
