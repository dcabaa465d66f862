package netfilter

import (
	"context"
	"errors"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// firstPiece is how many rules or commands are tried at once where a whole
// table is too much.
const firstPiece = 500

// tooLong says whether a transaction was larger than the socket's buffer. Only
// who has CAP_NET_ADMIN over the whole machine may enlarge that (SO_SNDBUFFORCE
// in socket(7)); in a user namespace about 200 KB is the limit, some 500 rules.
func tooLong(err error) bool {
	var te *ToolError
	return errors.As(err, &te) && strings.Contains(te.Stderr, "Message too long") // EMSGSIZE
}

// restorePieces loads a dump in several transactions, each as large as the
// kernel takes. It is for a namespace that nobody else uses yet.
func restorePieces(ctx context.Context, d ruleset.Dump) error {
	if d.Kind == ruleset.NFTables {
		return restoreCommands(ctx, d)
	}
	lines := strings.Split(string(d.Text), "\n")
	for from := 0; from < len(lines); {
		to := from + 1
		for to < len(lines) && !strings.HasPrefix(lines[to], "*") {
			to++
		}
		if err := restoreTable(ctx, d, lines, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// restoreTable loads the table that stands in the lines from from up to to.
func restoreTable(ctx context.Context, d ruleset.Dump, lines []string, from, to int) error {
	var head, rules, tail []int
	for i := from; i < to; i++ {
		switch {
		case strings.HasPrefix(lines[i], "-"):
			rules = append(rules, i)
		case lines[i] == "COMMIT":
			tail = append(tail, i)
		default:
			head = append(head, i)
		}
	}
	if !strings.HasPrefix(lines[from], "*") {
		return nil // comments ahead of the first table
	}
	return inPieces(len(rules), func(i, j int) error {
		piece := head
		if i > 0 {
			piece = []int{from}
		}
		piece = append(append(append([]int(nil), piece...), rules[i:j]...), tail...)
		var text strings.Builder
		for _, n := range piece {
			text.WriteString(lines[n] + "\n")
		}
		err := Restore(ctx, ruleset.Dump{Kind: d.Kind, Backend: d.Backend, Text: []byte(text.String())},
			RestoreOptions{NoFlush: i > 0})
		var le *LoadError
		if errors.As(err, &le) && le.Line > 0 && le.Line <= len(piece) {
			le.Line = piece[le.Line-1] + 1
		}
		return err
	})
}

// restoreCommands loads an nft document command by command.
func restoreCommands(ctx context.Context, d ruleset.Dump) error {
	script, err := nftScript(d)
	if err != nil {
		return err
	}
	all := commands(string(script))
	return inPieces(len(all), func(i, j int) error {
		return RunNFT(ctx, []byte(strings.Join(all[i:j], "\n")+"\n"))
	})
}

// commands splits a script of nft.Script, in which only the elements of a set
// take several lines, into commands that can be run one by one.
func commands(script string) []string {
	var out []string
	head := ""
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "add element ") && strings.HasSuffix(line, " {"):
			head = line
		case line == "}":
			head = ""
		case head != "":
			out = append(out, head+" "+strings.TrimSuffix(line, ",")+" }")
		default:
			out = append(out, line)
		}
	}
	return out
}

// inPieces calls load for consecutive ranges of n things, at least once, and
// for smaller ones where one was too long.
func inPieces(n int, load func(i, j int) error) error {
	size := firstPiece
	for i := 0; ; {
		j := min(i+size, n)
		err := load(i, j)
		switch {
		case err == nil && j == n:
			return nil
		case err == nil:
			i = j
		case tooLong(err) && j-i > 1:
			size = (j - i) / 2
		default:
			return err
		}
	}
}
