package ipset

import (
	"errors"
	"strings"
)

// maxLine is what ipset restore reads as one line, its newline included
// (MAX_CMDLINE_CHARS); it takes the rest for another line.
const maxLine = 1024

// words splits a line as ipset's build_argv does: double quotes group and
// vanish wherever they stand, and an empty word is none. A line without quotes
// costs one allocation at most, dst's.
func words(dst []string, line string) ([]string, error) {
	if strings.IndexByte(line, '"') < 0 {
		for i := 0; i < len(line); {
			for i < len(line) && space(line[i]) {
				i++
			}
			j := i
			for j < len(line) && !space(line[j]) {
				j++
			}
			if j > i {
				dst = append(dst, line[i:j])
			}
			i = j
		}
		return dst, nil
	}
	var w strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case space(c) && !quoted:
			if w.Len() > 0 {
				dst = append(dst, w.String())
				w.Reset()
			}
		default:
			w.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New(`missing closing quote`)
	}
	if w.Len() > 0 {
		dst = append(dst, w.String())
	}
	return dst, nil
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
