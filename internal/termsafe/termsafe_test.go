package termsafe_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"-A INPUT -p tcp -j ACCEPT":         "-A INPUT -p tcp -j ACCEPT",
		`--string "a\"b\\"`:                 `--string "a\"b\\"`,
		"Größe, 防火墙, пакет, é́":             "Größe, 防火墙, пакет, é́",
		"a\nb\tc\rd":                        `a\nb\tc\rd`,
		"\x1b[2J\x1b]0;gone\x07":            `\x1b[2J\x1b]0;gone\x07`,
		"\u009b31m":                         `\u009b31m`,
		"\x9b31m":                           `\x9b31m`,
		"nul\x00del\x7f":                    `nul\x00del\x7f`,
		"ACCEPT\u202e TPECCA\u2066":         `ACCEPT\u202e TPECCA\u2066`,
		"zero\u200bwidth\ufeff":             `zero\u200bwidth\ufeff`,
		"no\u00a0break\u2028line\u3000":     `no\u00a0break\u2028line\u3000`,
		"tag\U000e0041 pick\U000e0100":      `tag\U000e0041 pick\U000e0100`,
		"fill\u3164 blank\u2800 vs\ufe0f":   `fill\u3164 blank\u2800 vs\ufe0f`,
		"cut\xe2\x82":                       `cut\xe2\x82`,
		"replaced\ufffd private\ue000":      `replaced\ufffd private\ue000`,
		"soft\u00adhyphen arabic\u061cmark": `soft\u00adhyphen arabic\u061cmark`,
	} {
		if got := termsafe.String(in); got != want {
			t.Errorf("String(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := termsafe.Text("a\n\tb\r\n\x1b[0m"), "a\n\tb\\r\n\\x1b[0m"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
}

func FuzzString(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		out := termsafe.String(in)
		if !utf8.ValidString(out) {
			t.Errorf("%q is not UTF-8", out)
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q is not printable at %d", out, i)
		}
		if again := termsafe.String(out); again != out {
			t.Errorf("%q is escaped again: %q", out, again)
		}
		if text := strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(termsafe.Text(in)); text != out {
			t.Errorf("Text and String differ: %q, %q", text, out)
		}
	})
}
