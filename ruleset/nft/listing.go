package nft

import (
	"strings"
)

// listedTable is a table of nft's text listing.
type listedTable struct {
	family, name string
	lines        []string // comment and flags
	blocks       []*listedBlock
}

// listedBlock is a chain, set, map or other object of it, with the lines
// between its braces. Lines that nft broke are whole again.
type listedBlock struct {
	kind, name string
	lines      []string
}

// parseListing reads the output of nft -s list ruleset. It leans on how nft
// prints (rule.c: table_print, chain_print, do_set_print), not on nft's
// language: tables begin in the first column, objects behind one tab, what is
// in them behind two, what continues a line behind three.
func parseListing(text string) []*listedTable {
	var tables []*listedTable
	var table *listedTable
	var block *listedBlock
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "table "):
			f := strings.Fields(line)
			if len(f) >= 3 {
				table, block = &listedTable{family: f[1], name: f[2]}, nil
				tables = append(tables, table)
			}
		case table == nil || line == "":
		case line == "\t}":
			block = nil
		case strings.HasPrefix(line, "\t\t\t") || line == "\t\t}":
			if block != nil && len(block.lines) > 0 {
				block.lines[len(block.lines)-1] += "\n" + line
			}
		case strings.HasPrefix(line, "\t\t"):
			if block != nil {
				block.lines = append(block.lines, line[2:])
			}
		case strings.HasPrefix(line, "\t") && strings.HasSuffix(line, "{"):
			f := strings.Fields(strings.TrimSuffix(line, "{"))
			if n := len(f); n >= 2 {
				block = &listedBlock{kind: strings.Join(f[:n-1], " "), name: f[n-1]}
				table.blocks = append(table.blocks, block)
			}
		case strings.HasPrefix(line, "\t"):
			table.lines = append(table.lines, line[1:])
		}
	}
	return tables
}

// clause returns the rest of the line that begins with a word.
func clause(lines []string, word string) (string, bool) {
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, word+" "); ok {
			return strings.TrimSuffix(rest, ";"), true
		}
		if strings.TrimSuffix(l, ";") == word {
			return "", true
		}
	}
	return "", false
}

// unquote takes the quotes off a string of nft's, which has no escapes.
func unquote(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }

// splitElements splits the inside of { a, b } at its own commas: not those in
// quotes, nor those of braces within.
func splitElements(s string) []string {
	var out []string
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0 && i+1 < len(s) && (s[i+1] == ' ' || s[i+1] == '\n'):
			out = append(out, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		out = append(out, last)
	}
	return out
}
