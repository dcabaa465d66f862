package xtables

import (
	"errors"
	"strings"
)

var (
	errQuote = errors.New("unbalanced quote")
	errNUL   = errors.New("NUL byte")
)

// word is one argument of a rule line.
type word struct {
	text   string
	quoted bool
}

// Words splits a rule line into its arguments as iptables-restore does:
// spaces and tabs part them, double quotes hold them together, and within
// quotes a backslash takes the next character as it is. A closing quote ends
// its argument. Outside quotes a backslash means itself.
//
// Unlike iptables-restore, which takes the rest of the line, Words refuses a
// quote that is not closed, and a NUL byte.
func Words(line string) ([]string, error) {
	words, err := split(nil, line)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return texts, nil
}

// split appends the words of line to words.
func split(words []word, line string) ([]word, error) {
	for i := 0; i < len(line); {
		if blank(line[i]) {
			i++
			continue
		}
		end := i
		for end < len(line) && !blank(line[end]) && line[end] != '"' && line[end] != 0 {
			end++
		}
		switch {
		case end == len(line) || blank(line[end]):
			words = append(words, word{text: line[i:end]})
			i = end
		case line[end] == 0:
			return nil, errNUL
		default:
			text, n, err := unquote(line[end+1:])
			if err != nil {
				return nil, err
			}
			words = append(words, word{text: line[i:end] + text, quoted: true})
			i = end + 1 + n
		}
	}
	return words, nil
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// unquote returns the text up to the closing quote and the number of bytes
// that it and the quote take.
func unquote(s string) (text string, n int, err error) {
	if end := strings.IndexAny(s, "\"\\\x00"); end >= 0 && s[end] == '"' {
		return s[:end], end + 1, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0:
			return "", 0, errNUL
		case '"':
			return b.String(), i + 1, nil
		case '\\':
			if i++; i == len(s) {
				return "", 0, errQuote
			}
			if s[i] == 0 {
				return "", 0, errNUL
			}
		}
		b.WriteByte(s[i])
	}
	return "", 0, errQuote
}

// Quoting says how a save writes an argument.
type Quoting uint8

// The ways of quoting. Each falls back to quotes where the bare text would
// not be read back as the same argument.
const (
	Bare     Quoting = iota // as it is
	AsNeeded                // in quotes unless it is letters, digits, _ and - alone: comments, prefixes
	Always                  // in quotes: strings to search for, labels
)

// appendWord appends an argument in quoting q.
func appendWord(b []byte, s string, q Quoting) []byte {
	switch {
	case q == AsNeeded && plain(s), q == Bare && splitsToItself(s):
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\\':
			b = append(b, '\\')
		case '\'':
			// xtables_save_string escapes it, the extensions that
			// always quote do not.
			if q == AsNeeded {
				b = append(b, '\\')
			}
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && c != '-' && !alphanumeric(c) {
			return false
		}
	}
	return s != ""
}

func splitsToItself(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '"' || c == 0x7f {
			return false
		}
	}
	return s != "" && s != "!" // a bare one negates
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
