package netfilter

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// firstPiece is how many rules or commands are tried at once where a whole
// table is too much.
const firstPiece = 250

// longDump is how many bytes of a dump are not worth trying in one transaction
// where a buffer cannot be enlarged: a rule takes more in a message.
const longDump = 200 << 10

// bounded says whether the calling thread may not enlarge a socket's buffer.
func bounded() bool {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, longDump), unix.EPERM)
}

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

// restoreTable loads the table that stands in the lines from from up to to: what
// is ahead of its rules, then these, one program with a transaction for some at
// a time.
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
	var err error
	for size := firstPiece; size > 0; size /= 2 {
		if err = restoreLines(ctx, d, lines, slices.Concat(head, tail), false); err != nil {
			return err
		}
		var text []int
		for piece := range slices.Chunk(rules, size) {
			text = append(append(append(text, from), piece...), tail...)
		}
		if len(text) == 0 {
			return nil
		}
		if err = restoreLines(ctx, d, lines, text, true); !tooLong(err) {
			return err
		}
	}
	return err
}

// restoreLines loads some lines of a dump, by their indices.
func restoreLines(ctx context.Context, d ruleset.Dump, lines []string, some []int, noFlush bool) error {
	var text strings.Builder
	for _, n := range some {
		text.WriteString(lines[n])
		text.WriteByte('\n')
	}
	err := Restore(ctx, ruleset.Dump{Kind: d.Kind, Backend: d.Backend, Text: []byte(text.String())}, RestoreOptions{NoFlush: noFlush})
	var le *LoadError
	if errors.As(err, &le) && le.Line > 0 && le.Line <= len(some) {
		le.Line = some[le.Line-1] + 1
	}
	return err
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
