// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// blobList turns an answer of List Containers or List Blobs into the JSON that
// the engine reads: {"value":[…],"continuationToken":"…"}. A row has
// name and properties of its element, those with their names in XML, element (Container, Blob or
// BlobPrefix), and time where the name of a blob tells the hour that a log's
// records in it are of. It is as strict as the reader of JSON: what is cut,
// doubled or unknown is an error.
//
// Source: learn.microsoft.com/rest/api/storageservices/list-blobs and
// list-containers2, of version 2021-12-02.
func blobList(src []byte) ([]byte, error) {
	d := &blobDecoder{xml: xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(src, []byte("\ufeff"))))}
	d.out.WriteString(`{"value":[`)
	if err := d.document(); err != nil {
		if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
			return nil, fmt.Errorf("the XML is broken at line %d: %s", syntax.Line, syntax.Msg)
		}
		return nil, err
	}
	d.out.WriteString(`],"continuationToken":` + quoteJSON(d.marker) + `}`)
	return d.out.Bytes(), nil
}

type blobDecoder struct {
	xml    *xml.Decoder
	out    bytes.Buffer
	rows   int
	marker string
}

// next is the next token that says something.
func (d *blobDecoder) next() (xml.Token, error) {
	for {
		t, err := d.xml.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.Comment:
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, fmt.Errorf("the XML has an instruction %q", t.Target)
			}
		case xml.Directive:
			return nil, errors.New("the XML has a directive")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("text between the elements: %s", clip(string(t)))
			}
		default:
			return t, nil
		}
	}
}

func (d *blobDecoder) document() error {
	t, err := d.next()
	if err != nil {
		return err
	}
	root, ok := t.(xml.StartElement)
	if !ok || root.Name.Local != "EnumerationResults" {
		return errors.New("the XML is no list of Storage: it does not begin with EnumerationResults")
	}
	seen := map[string]bool{}
	for {
		t, err := d.next()
		if err != nil {
			return err
		}
		el, ok := t.(xml.StartElement)
		if !ok {
			break
		}
		name := el.Name.Local
		if seen[name] {
			return fmt.Errorf("the list has two elements %s", name)
		}
		seen[name] = true
		switch name {
		case "Blobs", "Containers":
			err = d.list()
		case "NextMarker":
			d.marker, err = d.text(name)
		default:
			err = d.xml.Skip() // what was asked for
		}
		if err != nil {
			return err
		}
	}
	switch {
	case seen["Blobs"] == seen["Containers"]:
		return errors.New("the list has neither Blobs nor Containers")
	case !seen["NextMarker"]:
		return errors.New("the list has no NextMarker: whether it goes on is not known")
	}
	if t, err := d.xml.Token(); !errors.Is(err, io.EOF) {
		if text, ok := t.(xml.CharData); !ok || len(bytes.TrimSpace(text)) > 0 {
			return errors.New("something follows the list")
		}
	}
	return nil
}

func (d *blobDecoder) list() error {
	for {
		t, err := d.next()
		if err != nil {
			return err
		}
		el, ok := t.(xml.StartElement)
		if !ok {
			return nil
		}
		switch el.Name.Local {
		case "Blob", "BlobPrefix", "Container":
		default:
			return fmt.Errorf("the list has an element %s", clip(el.Name.Local))
		}
		if d.rows++; d.rows > 1 {
			d.out.WriteByte(',')
		}
		d.out.WriteString(`{"element":` + quoteJSON(el.Name.Local))
		name, err := d.members(el.Name.Local, 0)
		if err != nil {
			return fmt.Errorf("row %d: %w", d.rows-1, err)
		}
		if name == "" {
			return fmt.Errorf("row %d has no Name", d.rows-1)
		}
		if at, ok := blobHour(name); ok {
			d.out.WriteString(`,"time":` + quoteJSON(at.Format(time.RFC3339)))
		}
		d.out.WriteByte('}')
	}
}

// members writes the children of an element after a comma each, and returns
// the text of Name.
func (d *blobDecoder) members(of string, depth int) (name string, err error) {
	if depth > 4 {
		return "", errors.New("elements in elements in elements")
	}
	seen := map[string]bool{}
	for {
		t, err := d.next()
		if err != nil {
			return name, err
		}
		el, ok := t.(xml.StartElement)
		if !ok {
			return name, nil
		}
		member := el.Name.Local
		if seen[member] {
			return name, fmt.Errorf("%s has two elements %s", of, member)
		}
		seen[member] = true
		if depth == 0 || len(seen) > 1 {
			d.out.WriteByte(',')
		}
		if depth == 0 {
			d.out.WriteString(quoteJSON(strings.ToLower(member[:1])+member[1:]) + ":")
		} else {
			d.out.WriteString(quoteJSON(member) + ":")
		}
		if member == "Properties" && depth == 0 {
			d.out.WriteByte('{')
			if _, err := d.members(member, depth+1); err != nil {
				return name, err
			}
			d.out.WriteByte('}')
			continue
		}
		text, err := d.text(member)
		if err != nil {
			return name, err
		}
		if member == "Name" && depth == 0 {
			if text, err = decodedName(el, text); err != nil {
				return name, err
			}
			name = text
		}
		if n, err := strconv.ParseUint(text, 10, 53); member == "Content-Length" && err == nil {
			d.out.WriteString(strconv.FormatUint(n, 10))
			continue
		}
		d.out.WriteString(quoteJSON(text))
	}
}

// decodedName is a name that is percent-encoded because XML cannot hold it.
func decodedName(el xml.StartElement, text string) (string, error) {
	for _, a := range el.Attr {
		if a.Name.Local == "Encoded" && a.Value == "true" {
			s, err := url.PathUnescape(text)
			if err != nil {
				return "", fmt.Errorf("the name %s is not encoded as it says", clip(text))
			}
			return strings.ToValidUTF8(s, "\ufffd"), nil
		}
	}
	return text, nil
}

// text reads the text of an element that has no others in it.
func (d *blobDecoder) text(of string) (string, error) {
	var b strings.Builder
	for {
		t, err := d.xml.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", fmt.Errorf("%s holds an element %s", of, clip(t.Name.Local))
		}
	}
}

// The end of the name of a blob that Azure Monitor writes:
// …/y=2026/m=05/d=31/h=23/m=00/PT1H.json, or m=55/PT05M.json. Source:
// learn.microsoft.com/azure/azure-monitor/platform/resource-logs and
// logs/logs-data-export.
var blobTime = regexp.MustCompile(`/y=(\d{4})/m=(\d\d)/d=(\d\d)/h=(\d\d)/m=(\d\d)/[^/]+$`)

// blobHour is the beginning of the time that a blob of a log is of.
func blobHour(name string) (time.Time, bool) {
	m := blobTime.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, false
	}
	at, err := time.Parse("2006 01 02 15 04", strings.Join(m[1:], " "))
	return at, err == nil
}
