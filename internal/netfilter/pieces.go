package netfilter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// A netlink message is as long as the socket's send buffer at most. The nft
// programs enlarge theirs with SO_SNDBUFFORCE, which socket(7) allows with
// CAP_NET_ADMIN in the first user namespace only: in another one a transaction
// of more than 200 KB, 1,400 rules or so, is refused. Into an empty namespace,
// where nobody waits for one step, it can go in pieces.

// A piece ends at the first of two bounds. A short rule is some 150 bytes of
// netlink message, a long one two to five times its text.
const (
	pieceLines = 400
	pieceBytes = 32 << 10
)

// tooLong says whether a restore failed for the length of its transaction.
func tooLong(err error) bool {
	var e *LoadError
	return errors.As(err, &e) && strings.Contains(e.Msg, "Message too long") // EMSGSIZE, by strerror(3)
}

// restorePieces restores a dump of the nft backend in several transactions.
func restorePieces(ctx context.Context, d ruleset.Dump) error {
	if d.Kind == ruleset.NFTables {
		return restoreDocument(ctx, d)
	}
	table := ""
	first := true // of its table
	var piece bytes.Buffer
	begin := 0 // lines before the piece
	flush := func(upTo int) error {
		if table == "" {
			return nil
		}
		text := table + piece.String() + "COMMIT\n"
		err := Restore(ctx, ruleset.Dump{Kind: d.Kind, Backend: d.Backend, Text: []byte(text)}, RestoreOptions{NoFlush: !first})
		var le *LoadError
		if errors.As(err, &le) && le.Line > 0 {
			le.Line += begin - 1
		}
		first, begin = false, upTo
		piece.Reset()
		return err
	}
	n := 0
	for line := range strings.Lines(string(d.Text)) {
		n++
		switch {
		case strings.HasPrefix(line, "*"):
			table, first, begin = line, true, n
		case strings.HasPrefix(line, "COMMIT"):
			if err := flush(n); err != nil {
				return err
			}
			table = ""
		default:
			piece.WriteString(line)
			if piece.Len() >= pieceBytes || n-begin >= pieceLines {
				if err := flush(n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// restoreDocument is restorePieces for native tables.
func restoreDocument(ctx context.Context, d ruleset.Dump) error {
	var doc struct {
		Nftables []json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(d.Text, &doc); err != nil {
		return err
	}
	for rest := doc.Nftables; len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && n < pieceLines && size < pieceBytes {
			size += len(rest[n])
			n++
		}
		text, err := json.Marshal(map[string]any{"nftables": rest[:n]})
		if err != nil {
			return err
		}
		rest = rest[n:]
		if err := Restore(ctx, ruleset.Dump{Kind: d.Kind, Text: text, Backend: d.Backend}, RestoreOptions{}); err != nil {
			return err
		}
	}
	return nil
}
