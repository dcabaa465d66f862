package nft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fwc-dev/fwc/ruleset"
)

// A value is nil, bool, json.Number, string, []any or object. Unlike
// encoding/json's own decoding, which takes the last of two equal keys and
// mends broken text, decode refuses what has more than one reading.
type object = map[string]any

// maxDepth bounds nesting. Ten levels is what nft itself writes.
const maxDepth = 64

// decoder reads one JSON document.
type decoder struct {
	file string
	text []byte
	dec  *json.Decoder
	// lines remembers how far newlines were counted.
	line, counted int
}

func newDecoder(file string, text []byte) (*decoder, error) {
	d := &decoder{file: file, text: text, line: 1}
	if !utf8.Valid(text) {
		return nil, d.errorf("the text is not UTF-8")
	}
	d.dec = json.NewDecoder(bytes.NewReader(text))
	d.dec.UseNumber()
	return d, nil
}

// position returns the line of the last token.
func (d *decoder) position() int {
	at := min(int(d.dec.InputOffset()), len(d.text))
	if at > d.counted {
		d.line += bytes.Count(d.text[d.counted:at], []byte{'\n'})
		d.counted = at
	}
	return d.line
}

// errorf returns a *ruleset.SyntaxError for the line of the last token.
func (d *decoder) errorf(format string, args ...any) error {
	line := 0
	if d.dec != nil {
		line = d.position()
	}
	return &ruleset.SyntaxError{File: d.file, Line: line, Msg: fmt.Sprintf(format, args...)}
}

func (d *decoder) token() (json.Token, error) {
	t, err := d.dec.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.errorf("the JSON text ends too early")
	case err != nil:
		return nil, d.errorf("%v", err)
	}
	if s, ok := t.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
		return nil, d.errorf("a string holds a broken character")
	}
	return t, nil
}

// expect reads a delimiter.
func (d *decoder) expect(want json.Delim) error {
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != want {
		return d.errorf("%v stands where %q must", t, want)
	}
	return nil
}

// value reads a value.
func (d *decoder) value(depth int) (any, error) {
	t, err := d.token()
	if err != nil {
		return nil, err
	}
	return d.rest(t, depth)
}

// rest reads the value that begins with a token.
func (d *decoder) rest(t json.Token, depth int) (any, error) {
	if depth > maxDepth {
		return nil, d.errorf("values nest deeper than %d", maxDepth)
	}
	switch t := t.(type) {
	case json.Number:
		if !integer(string(t)) {
			return nil, d.errorf("%.40s is no integer of 64 bits", string(t))
		}
		return t, nil
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.dec.More() {
				v, err := d.value(depth + 1)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			return list, d.expect(']')
		}
		return d.object(depth)
	}
	return t, nil // nil, bool or string
}

// object reads the rest of an object.
func (d *decoder) object(depth int) (any, error) {
	o := object{}
	for d.dec.More() {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, d.errorf("%v stands where a key must", t)
		}
		if _, twice := o[key]; twice {
			return nil, d.errorf("key %q occurs twice", key)
		}
		if o[key], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return o, d.expect('}')
}

// integer says whether a JSON number is an integer that fits 64 bits, signed or
// not: nft writes no others.
func integer(s string) bool {
	if s == "-0" {
		return false
	}
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return true
	}
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// keyOrder is the order in which well-known keys are written; all others
// follow by name.
var keyOrder = []string{"family", "table", "chain", "name", "type", "hook", "dev", "prio", "policy",
	"map", "op", "left", "right", "key", "data", "val", "rate", "per", "addr", "len", "base", "offset",
	"protocol", "field", "expr", "elem", "flags"}

var keyRank = func() map[string]int {
	m := map[string]int{}
	for i, k := range keyOrder {
		m[k] = i - len(keyOrder)
	}
	return m
}()

func compareKeys(a, b string) int {
	if c := keyRank[a] - keyRank[b]; c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// encode appends a value in canonical form: one space behind colons and
// commas, keys in a fixed order, no escape that JSON does not require.
func encode(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		return encodeString(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = encode(b, e)
		}
		return append(b, ']')
	case object:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, compareKeys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = encodeString(b, k)
			b = append(b, ": "...)
			b = encode(b, v[k])
		}
		return append(b, '}')
	}
	return b
}

func encodeString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// compact returns a value's canonical text.
func compact(v any) string { return string(encode(nil, v)) }
