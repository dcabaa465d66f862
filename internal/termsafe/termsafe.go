// Package termsafe makes text from untrusted scripts, dumps and artifacts safe
// to show: on a terminal, which obeys escape sequences, and to a reader, whom
// invisible and direction-changing characters deceive (CVE-2021-42574).
package termsafe

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// String returns s on one line, with every character that acts on a terminal
// or that a reader cannot see written as an escape: \n, \t, \r, \x1b for
// control characters and bytes that are not UTF-8, \u202e and \U000e0041 for
// others. Printable text, in any script, comes back as it is; so does a
// backslash, since rules are full of them and an escape need not be undone.
func String(s string) string { return escape(s, false) }

// Text is String for text of several lines: newlines stay, as do tabs.
func Text(s string) string { return escape(s, true) }

func escape(s string, lines bool) string {
	clean := 0
	for clean < len(s) && s[clean] >= ' ' && s[clean] < 0x7f {
		clean++
	}
	if clean == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:clean])
	for i := clean; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff && hidden(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// hidden says whether a reader may fail to see r: everything that Unicode does
// not call a letter, mark, number, punctuation or symbol (so controls, format
// characters with the bidirectional ones and tags, private use, and every
// space but U+0020), and the few among those that have no ink.
func hidden(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(inkless, r)
}

// inkless are the printable characters that show nothing: Unicode's
// Default_Ignorable_Code_Point less those that IsPrint excludes, and the blank
// Braille pattern.
var inkless = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, // combining grapheme joiner
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, // Khmer inherent vowels
		{Lo: 0x180b, Hi: 0x180f, Stride: 1}, // Mongolian variation selectors
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // blank Braille pattern
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // halfwidth Hangul filler
	},
	R32: []unicode.Range32{
		{Lo: 0xe0100, Hi: 0xe01ef, Stride: 1}, // variation selectors
	},
}
