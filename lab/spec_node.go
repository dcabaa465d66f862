package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxSpec is the largest spec in bytes, and maxNodes its largest number of
// YAML nodes with aliases followed, so that none swells in memory.
const (
	maxSpec  = 4 << 20
	maxNodes = 4 << 20
)

// The keys of each mapping that a spec has. The schema for editors has the
// same, which a test holds.
var (
	specKeys   = []string{"networks", "hosts", "tests"}
	memberKeys = []string{"address", "interface"}
	hostKeys   = []string{"routes", "services", "sysctls"}
	serveKeys  = []string{"answer", "echo", "silent"}
	testKeys   = []string{"name", "from", "to", "with", "times", "expect", "from-port", "from-address", "flags",
		"type", "code", "size", "ttl", "tos", "send"}
	expectKeys = []string{"outcome", "reject", "by", "answer", "source", "destination", "mark", "passed"}
)

// reader walks the YAML nodes of one file. Its methods panic with a *SpecError,
// which ParseSpec returns.
type reader struct {
	file  string
	nodes int
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	panic(&SpecError{File: r.file, Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(format, args...)})
}

// yamlLine is how package yaml begins a syntax error.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (r *reader) root(text []byte) (n *yaml.Node, err error) {
	if len(text) > maxSpec {
		return nil, &SpecError{File: r.file, Msg: "is larger than 4 MB"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &SpecError{File: r.file, Line: 1, Msg: "is empty"}
		}
		e := &SpecError{File: r.file, Msg: err.Error()}
		if m := yamlLine.FindStringSubmatch(e.Msg); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Msg = "not YAML: " + strings.TrimPrefix(e.Msg, m[0])
			if col := tabIndent(text, e.Line); col > 0 {
				e.Column, e.Msg = col, "a tab in the indentation: YAML is indented with spaces"
			}
		}
		return nil, e
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &SpecError{File: r.file, Msg: "has more than one YAML document"}
	}
	if len(doc.Content) != 1 {
		return nil, &SpecError{File: r.file, Line: 1, Msg: "is empty"}
	}
	return doc.Content[0], nil
}

// tabIndent returns the column of the first tab that a line begins with, among
// spaces; 0 if there is none.
func tabIndent(text []byte, line int) int {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return 0
	}
	indent := lines[line-1][:len(lines[line-1])-len(bytes.TrimLeft(lines[line-1], " \t"))]
	return bytes.IndexByte(indent, '\t') + 1
}

// follow returns what an alias stands for.
func (r *reader) follow(n *yaml.Node) *yaml.Node {
	if r.nodes++; r.nodes > maxNodes {
		r.fail(n, "the spec has too many parts")
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// pair is one entry of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// mapping returns a mapping's entries. With keys, any other is an error.
func (r *reader) mapping(n *yaml.Node, what string, keys ...string) []pair {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is a mapping, not %s", what, kindName(n))
	}
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := r.follow(n.Content[i])
		name := r.text(k, "a key")
		if slices.ContainsFunc(out, func(p pair) bool { return p.name == name }) {
			r.fail(k, "%q stands here twice", name)
		}
		if len(keys) > 0 && !slices.Contains(keys, name) {
			r.fail(k, "unknown key %q; %s has %s", name, what, strings.Join(keys, ", "))
		}
		out = append(out, pair{name, k, r.follow(n.Content[i+1])})
	}
	return out
}

// list returns a sequence's items, and the thing itself for a scalar.
func (r *reader) list(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	out := make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out[i] = r.follow(c)
	}
	return out
}

func (r *reader) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "%s is a word, not %s", what, kindName(n))
	}
	return n.Value
}

func (r *reader) number(n *yaml.Node, what string, low, high int) int {
	v, err := strconv.ParseInt(r.text(n, what), 0, 64)
	if err != nil || v < int64(low) || v > int64(high) {
		r.fail(n, "%s is a number from %d to %d, not %q", what, low, high, n.Value)
	}
	return int(v)
}

func (r *reader) flag(n *yaml.Node, what string) bool {
	switch r.text(n, what) {
	case "true", "yes", "on":
		return true
	case "false", "no", "off":
		return false
	}
	r.fail(n, "%s is true or false, not %q", what, n.Value)
	return false
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if empty(n) {
			return "nothing"
		}
		return strconv.Quote(n.Value)
	}
	return "this"
}
