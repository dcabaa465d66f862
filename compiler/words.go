package compiler

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// word is a word of a script as far as it is known before the script runs:
// literal pieces, with anything between them.
type word struct {
	// pieces are the literals; between two neighbours stands an expansion.
	// A word without expansions has one piece.
	pieces []string
	// fields says that the word may become several words, or none.
	fields bool
	// param is "@" or a digit if the word is that parameter of a function and
	// nothing else.
	param string
}

// text returns the word if it is literal.
func (w word) text() (string, bool) {
	if len(w.pieces) == 1 && !w.fields {
		return w.pieces[0], true
	}
	return "", false
}

// size returns the number of literal bytes.
func (w word) size() int {
	n := 0
	for _, p := range w.pieces {
		n += len(p)
	}
	return n
}

// matches says whether one argument can be what the word becomes.
func (w word) matches(arg string) bool {
	if len(w.pieces) == 1 {
		return arg == w.pieces[0]
	}
	rest, ok := strings.CutPrefix(arg, w.pieces[0])
	if !ok {
		return false
	}
	last := w.pieces[len(w.pieces)-1]
	for _, p := range w.pieces[1 : len(w.pieces)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, last)
}

// wordOf returns what is known of a shell word.
func wordOf(w *syntax.Word) word {
	out := word{pieces: []string{""}}
	out.parts(w.Parts, false)
	if len(w.Parts) == 1 {
		part := w.Parts[0]
		if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
			part = q.Parts[0]
		}
		if p, ok := part.(*syntax.ParamExp); ok {
			out.param = plainParam(p)
		}
	}
	return out
}

// plainParam returns the name of a positional parameter that is expanded as it
// is, "@" for all of them.
func plainParam(p *syntax.ParamExp) string {
	if p.Param == nil || p.Length || p.Excl || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Exp != nil {
		return ""
	}
	switch name := p.Param.Value; name {
	case "@", "*":
		return "@"
	case "1", "2", "3", "4", "5", "6", "7", "8", "9":
		return name
	}
	return ""
}

func (w *word) literal(s string) { w.pieces[len(w.pieces)-1] += s }

func (w *word) unknown() { w.pieces = append(w.pieces, "") }

func (w *word) parts(parts []syntax.WordPart, quoted bool) {
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if !quoted && strings.ContainsAny(p.Value, "*?[{~") {
				// Globs and braces: the shell makes of them what it finds.
				w.unknown()
				w.fields = true
				continue
			}
			w.literal(unescape(p.Value, quoted))
		case *syntax.SglQuoted:
			if p.Dollar {
				w.unknown()
			} else {
				w.literal(p.Value)
			}
		case *syntax.DblQuoted:
			w.parts(p.Parts, true)
		case *syntax.ParamExp:
			w.unknown()
			// "$@" and "${a[@]}" become any number of words, quoted or not.
			list := p.Param != nil && (p.Param.Value == "@" || p.Param.Value == "*") || p.Index != nil
			w.fields = w.fields || !quoted || list
		case *syntax.ArithmExp:
			w.unknown()
		default:
			w.unknown()
			w.fields = w.fields || !quoted
		}
	}
}

// unescape removes the backslashes that the parser keeps.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// matchWords says whether a list of words can become a list of arguments. It
// is the usual table of prefixes: reach[j] says whether the words so far can
// have become the first j arguments.
func matchWords(words []word, args []string) bool {
	reach := make([]bool, len(args)+1)
	reach[0] = true
	for _, w := range words {
		next := make([]bool, len(args)+1)
		for j, ok := range reach {
			if !ok {
				continue
			}
			if j < len(args) && w.matches(args[j]) {
				next[j+1] = true
			}
			if !w.fields {
				continue
			}
			if w.size() == 0 {
				next[j] = true
			}
			for k := j + 2; k <= len(args); k++ {
				if w.matches(strings.Join(args[j:k], " ")) {
					next[k] = true
				}
			}
		}
		reach = next
	}
	return reach[len(args)]
}
