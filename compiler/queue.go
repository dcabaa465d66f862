package compiler

import (
	"slices"
	"strings"
)

// Bounds of a call that is queued: of its arguments iptables-restore takes
// 255, of its line 10,240 bytes (1,024 in old versions' messages alone).
const (
	maxQueueArgs = 200
	maxQueueLine = 4000
)

// queuedCall is a call as a line of a restore's input.
type queuedCall struct {
	table string // "" of a set
	line  string
	sets  bool // names a set, for all that can be seen
	// makes says that it creates a set.
	makes bool
	// shared says that it makes or names what all families share, for all that
	// can be seen: an estimator of xt_RATEEST(8).
	shared bool
}

// queueable returns the line that makes a restore do what the call does, or
// false for a call that must be made for real. What it knows are the forms
// whose meaning does not depend on what the program's option parser makes of
// the words before: an option that it looks for and that follows another
// option may be that one's value.
func queueable(tool string, args []string) (queuedCall, bool) {
	if len(args) > maxQueueArgs || slices.ContainsFunc(args, func(a string) bool {
		return a == "" || strings.ContainsFunc(a, func(r rune) bool { return r < ' ' || r == 0x7f })
	}) {
		return queuedCall{}, false
	}
	q, ok := queuedCall{}, false
	if tool == "ipset" {
		q, ok = queueableSet(args)
	} else {
		q, ok = queueableRule(args)
	}
	return q, ok && len(q.line) <= maxQueueLine
}

// queueableRule is queueable for iptables and its kin.
func queueableRule(args []string) (queuedCall, bool) {
	q := queuedCall{table: "filter"}
	var line []string
	command, previous := "", ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		valued := strings.HasPrefix(previous, "-") || previous == "!"
		previous = a
		switch a {
		case "-t", "--table":
			if i+1 == len(args) || valued || strings.Trim(args[i+1], "abcdefghijklmnopqrstuvwxyz") != "" {
				return q, false
			}
			i++
			q.table, previous = args[i], ""
			continue
		case "-w", "--wait":
			if valued {
				return q, false
			}
			if i+1 < len(args) && strings.Trim(args[i+1], "0123456789") == "" {
				i++
			}
			previous = ""
			continue
		case "-A", "-I", "-N", "-P", "--append", "--insert", "--new-chain", "--policy":
			if command != "" || len(line) > 0 {
				return q, false
			}
			command, previous = a, ""
			line = append(line, a)
			continue
		}
		switch {
		case strings.HasPrefix(a, "--"):
			for _, own := range []string{"--ta", "--wa", "--ipv", "--modp"} {
				if strings.HasPrefix(a, own) {
					return q, false
				}
			}
		case strings.HasPrefix(a, "-") && a != "-f" && (len(a) < 2 || !strings.ContainsRune("psdjgiom", rune(a[1]))):
			return q, false
		}
		line = append(line, restoreQuote(a))
	}
	words := len(line) - 1
	switch command {
	case "-A", "--append", "-I", "--insert":
	case "-N", "--new-chain":
		if words != 1 || line[1] != restoreBare(line[1]) {
			return q, false
		}
	case "-P", "--policy":
		if words != 2 || line[1] != restoreBare(line[1]) {
			return q, false
		}
	default:
		return q, false
	}
	q.line = strings.Join(line, " ")
	q.sets = strings.Contains(strings.ToLower(q.line), "set")
	q.shared = strings.Contains(strings.ToLower(q.line), "rateest")
	return q, true
}

// restoreBare returns a word without its quotes.
func restoreBare(word string) string { return strings.Trim(word, `"`) }

// queueableSet is queueable for ipset.
func queueableSet(args []string) (queuedCall, bool) {
	var q queuedCall
	var line []string
	command := ""
	for _, a := range args {
		switch {
		case a == "-exist" || a == "-!":
		case command != "":
			// ipset(8) knows quotes only for comments.
			if strings.HasPrefix(a, "-") || strings.ContainsAny(a, `"\`) {
				return q, false
			}
		case a == "add" || a == "-A" || a == "create" || a == "-N":
			command = a
		default:
			return q, false
		}
		line = append(line, restoreQuote(a))
	}
	q.line = strings.Join(line, " ")
	q.makes = command == "create" || command == "-N"
	return q, command != ""
}
