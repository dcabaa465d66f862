package nft

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Script writes text that nft reads as root, so nothing of a document may be
// more there than the one token or string that it stands for. What a token is
// says src/scanner.l of nftables: a name is a letter, _ or . and then letters,
// digits and /-_. ; a string stands in double quotes and has no escapes.

// maxName is the longest name the kernel takes, NFT_NAME_MAXLEN without its
// end.
const maxName = 255

// CheckName returns an error unless nft's language can write the name of a
// table, chain, set or other object. The kernel itself takes any bytes.
func CheckName(name string) error {
	bad := name == "" || len(name) > maxName
	for i := 0; i < len(name) && !bad; i++ {
		bad = !isNameByte(name[i]) || i == 0 && !isLetter(name[i]) && name[i] != '_' && name[i] != '.'
	}
	if bad {
		return fmt.Errorf("the name %.300q is none that nft's language can write", name)
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '/' || c == '-' || c == '_' || c == '.'
}

// phrases are values of several words, and operators, that nft writes without
// quotes.
var phrases = map[string]bool{
	"!": true, "==": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true,
	"tcp reset": true, "tcp sequence": true, "tcp options": true, "ip options": true,
	"ip saddr": true, "ip daddr": true, "ip6 saddr": true, "ip6 daddr": true, // of ct
	"saddr ip": true, "daddr ip": true, "saddr ether": true, "daddr ether": true, // of arp
	"ct helper": true, "ct timeout": true, "ct expectation": true, "ct label": true,
}

// bare returns a value as it stands without quotes: as it is if it is one word,
// else in quotes, so that it is one token in any case.
func bare(s string) string {
	if phrases[s] {
		return s
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isNameByte(c) && c != ':' && c != '@' && c != '*' {
			return `"` + s + `"`
		}
	}
	return s
}

// quote returns a value in quotes. What is no string becomes its JSON.
func quote(v any) string {
	if s, ok := v.(string); ok {
		return `"` + s + `"`
	}
	return compact(v)
}

// checkString holds a string of the JSON to what nft can read back between
// quotes.
func checkString(s string) error {
	for _, r := range s {
		if r == '"' || r == utf8.RuneError || r != '\t' && unicode.IsControl(r) {
			return fmt.Errorf("%.60q holds %q, which no string of nft's can", s, r)
		}
	}
	return nil
}

// checkText holds a piece of nft's language to what cannot end the command it
// stands in: one line, brackets and quotes in pairs, no comment, no variable,
// no directive. A semicolon may stand between braces where blocks says so, as
// in an anonymous chain.
func checkText(s string, blocks bool) error {
	var open []byte
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"':
			n := strings.IndexByte(s[i+1:], '"')
			if n < 0 {
				return errors.New("a quote is not closed")
			}
			if err := checkString(s[i+1 : i+1+n]); err != nil {
				return err
			}
			i += n + 2
			continue
		case isNameByte(c):
			n := i
			for n < len(s) && isNameByte(s[n]) {
				n++
			}
			if err := checkWord(s[i:n]); err != nil {
				return err
			}
			i = n
			continue
		case c == '{' || c == '(' || c == '[':
			open = append(open, c)
		case c == '}' || c == ')' || c == ']':
			if len(open) == 0 || closing[open[len(open)-1]] != c {
				return fmt.Errorf("%q closes nothing", c)
			}
			open = open[:len(open)-1]
		case c == ';' && blocks && len(open) > 0:
		case strings.IndexByte(" ,:@*=!<>&|^+", c) >= 0:
		default:
			r, _ := utf8.DecodeRuneInString(s[i:])
			return fmt.Errorf("%q stands outside of quotes", r)
		}
		i++
	}
	if len(open) > 0 {
		return fmt.Errorf("%q is not closed", open[len(open)-1])
	}
	return nil
}

var closing = map[byte]byte{'{': '}', '(': ')', '[': ']'}

// checkWord refuses the words that make nft read another file or define a
// variable. A word that begins with a digit is a number and a word for nft.
func checkWord(w string) error {
	for _, d := range []string{"include", "define", "redefine", "undefine"} {
		if w == d || !isLetter(w[0]) && strings.HasSuffix(w, d) {
			return fmt.Errorf("%q is a directive of nft's", d)
		}
	}
	return nil
}
