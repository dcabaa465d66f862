package nft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// check refuses a document that Script could not write: names and strings that
// nft's language does not have, and text that is more than one rule, element
// or clause. An error is a *ruleset.SyntaxError.
func (doc *document) check(file string) error {
	for _, t := range doc.tables {
		if line, err := t.check(); err != nil {
			return &ruleset.SyntaxError{File: file, Line: line, Msg: fmt.Sprintf("table %s %.300q: %v", t.family, t.name, err)}
		}
	}
	return nil
}

// check returns the line of the object that is refused.
func (t *table) check() (int, error) {
	if err := CheckName(t.name); err != nil {
		return t.line, err
	}
	if err := checkMembers(t.def); err != nil {
		return t.line, err
	}
	for _, c := range t.clauses() {
		if err := checkText(c, false); err != nil {
			return t.line, err
		}
	}
	for _, c := range t.chains {
		if err := c.check(); err != nil {
			return c.line, fmt.Errorf("chain %.300q: %w", c.name, err)
		}
		for i, r := range c.rules {
			if err := r.check(); err != nil {
				return r.line, fmt.Errorf("chain %s, rule %d: %w", c.name, i+1, err)
			}
		}
	}
	for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
		for _, o := range list {
			if err := o.check(); err != nil {
				return o.line, fmt.Errorf("%s %.300q: %w", o.kind, o.name, err)
			}
		}
	}
	return 0, nil
}

func (c *chain) check() error {
	if err := CheckName(c.name); err != nil {
		return err
	}
	if err := checkMembers(c.def); err != nil {
		return err
	}
	for _, clause := range c.clauses() {
		if err := checkText(clause, false); err != nil {
			return err
		}
	}
	return nil
}

func (o *thing) check() error {
	if err := CheckName(o.name); err != nil {
		return err
	}
	if err := checkMembers(o.def, "typeof"); err != nil {
		return err
	}
	for _, c := range o.clauses() {
		if err := checkText(c, false); err != nil {
			return err
		}
	}
	for _, e := range o.elems {
		if kind, text, _ := one(e); kind == "text" {
			if err := checkElement(text); err != nil {
				return err
			}
			continue
		}
		if err := checkValue("elem", e); err != nil {
			return err
		}
	}
	for _, text := range o.elementTexts() {
		if err := checkText(text, false); err != nil {
			return fmt.Errorf("element %.60q: %w", text, err)
		}
	}
	return nil
}

// checkElement holds an element that Merge stored as text to one element.
func checkElement(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("the text of an element is no string")
	}
	if len(splitElements(strings.ReplaceAll(text, ",", ", "))) != 1 {
		return fmt.Errorf("%.60q is not one element", text)
	}
	return nil
}

// placing are the words at whose place a rule may be told to stand.
var placing = []string{"handle", "position", "index"}

func (r *rule) check() error {
	blocks := false // in what nft's JSON has as text
	for k, v := range r.def {
		expr, ok := v.([]any)
		if k != "expr" || !ok {
			if err := checkValue(k, v); err != nil {
				return err
			}
			continue
		}
		for _, e := range expr {
			if _, ok := e.(string); ok {
				blocks = true
			} else if err := checkValue(k, e); err != nil {
				return err
			}
		}
	}
	text := r.text()
	if err := checkText(text, blocks); err != nil {
		return fmt.Errorf("%.60q: %w", text, err)
	}
	if first, _, _ := strings.Cut(text, " "); slices.Contains(placing, first) {
		return fmt.Errorf("%.60q: it begins with a place, not a statement", text)
	}
	return nil
}

// checkMembers checks the members of a declaration, but those that are text.
func checkMembers(def object, text ...string) error {
	for k, v := range def {
		if slices.Contains(text, k) {
			if _, ok := v.(string); !ok {
				return fmt.Errorf("%s is no string", k)
			}
			continue
		}
		if err := checkValue(k, v); err != nil {
			return err
		}
	}
	return nil
}

// checkValue checks a value's strings and keys; key is the one it stands at.
func checkValue(key string, v any) error {
	switch v := v.(type) {
	case string:
		if err := checkString(v); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if set, ok := strings.CutPrefix(v, "@"); ok && !slices.Contains(free, key) {
			return CheckName(set)
		}
	case []any:
		for _, e := range v {
			if err := checkValue(key, e); err != nil {
				return err
			}
		}
	case object:
		for k, e := range v {
			if err := checkString(k); err != nil {
				return err
			}
			if k == "text" {
				return fmt.Errorf("%s: %q is no member that nft's JSON has", key, k)
			}
			if s, ok := e.(string); ok && (slices.Contains(naming, key) || slices.Contains(objectKinds, k)) {
				if err := CheckName(s); err != nil {
					return err
				}
			}
			if err := checkValue(k, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// free are the members whose strings Script writes in quotes, whatever they
// begin with. naming are those whose strings are names.
var (
	free   = []string{"comment", "prefix", "context"}
	naming = []string{"jump", "goto"}
)
