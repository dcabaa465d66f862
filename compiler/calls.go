package compiler

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Call is one run of a firewall tool by the script.
type Call struct {
	Tool   string // iptables, ip6tables-restore, ipset, …
	Args   []string
	Status int
	Stderr string // what the tool said, whole
	// Pos is where the script made the call; zero if it cannot be told.
	Pos ruleset.Position
	// Discarded says that the script threw the message away, Tested that it
	// looks at the exit status.
	Discarded, Tested bool

	line   int    // as the shell told, or 0
	file   string // the same; "" is the script itself
	sure   bool   // the line of a shell's message is right
	typed  string // the name of an absent tool as the script has it
	parent int    // pid of the process that made it
	input  string // the file in shimIn that holds what a restore read, or ""
	multi  string // xtables-nft-multi, if the tool was called through it
}

// String returns the call as one would type it.
func (c *Call) String() string {
	words := []string{c.Tool}
	for _, a := range c.Args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./!-]+$`)

func quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// toolPrefix begins the messages of the programs: "iptables v1.8.9
// (nf_tables): ", "iptables-restore v1.8.9 (legacy): ", "ipset v7.17: ".
var toolPrefix = regexp.MustCompile(`^[a-z0-9-]+ v[0-9.]+(?: \([a-z_]+\))?: *`)

// Message returns the line of the tool's words that says what is wrong.
func (c *Call) Message() string {
	for line := range strings.Lines(c.Stderr) {
		line = strings.TrimSpace(toolPrefix.ReplaceAllString(line, ""))
		if line == "" || strings.HasPrefix(line, "Try `") || strings.HasPrefix(line, "#") {
			continue
		}
		return strings.TrimSuffix(line, ".")
	}
	return ""
}

// parseLog reads the record of the calls: for each, the fields "call", exit
// status, parent's pid, line as the shell told, "quiet" if standard error was
// thrown away, the path called, the
// name of the file with a restore's input, the number of arguments, the arguments, and
// the words on standard error, each field ended by a NUL. A record that is cut
// or that the script bent ends the list: whole is false.
func parseLog(log []byte) (calls []Call, whole bool) {
	next := func() (string, bool) {
		f, rest, ok := bytes.Cut(log, []byte{0})
		log = rest
		return string(f), ok
	}
	for len(log) > 0 {
		var head [8]string
		for i := range head {
			var ok bool
			if head[i], ok = next(); !ok {
				return calls, false
			}
		}
		n, err := strconv.Atoi(head[7])
		if head[0] != "call" || err != nil || n < 0 {
			return calls, false
		}
		c := Call{Tool: filepath.Base(head[5]), Discarded: head[4] == "quiet"}
		c.Status, _ = strconv.Atoi(head[1])
		c.parent, _ = strconv.Atoi(head[2])
		line, file, named := strings.Cut(head[3], " ")
		c.line, _ = strconv.Atoi(line)
		c.file = file
		if named && file == "" {
			c.file = "?" // a string, or standard input
		}
		if head[6] != "" {
			c.input = filepath.Base(head[6])
		}
		for range n {
			a, ok := next()
			if !ok {
				return calls, false
			}
			c.Args = append(c.Args, a)
		}
		var ok bool
		if c.Stderr, ok = next(); !ok {
			return calls, false
		}
		if strings.HasPrefix(c.Tool, "xtables-") && len(c.Args) > 0 {
			c.multi, c.Tool, c.Args = c.Tool, c.Args[0], c.Args[1:]
		}
		calls = append(calls, c)
	}
	return calls, true
}

// adds says whether a call puts something into the firewall: then its failure
// leaves a hole. One that removes, asks or creates what may be there does not.
func (c *Call) adds() bool {
	switch {
	case strings.HasSuffix(c.Tool, "-restore"):
		return true
	case c.Tool == "ipset":
		return c.ipsetAdds()
	case c.Tool == "nft":
		return c.nftAdds()
	}
	return c.xtablesAdds()
}

// xtablesAdds goes by the command of iptables(8). A call with none that is
// known counts as adding: it is a mistake in the script.
func (c *Call) xtablesAdds() bool {
	long := map[string]bool{"append": true, "insert": true, "replace": true, "policy": true, "rename-chain": true,
		"delete": false, "check": false, "list": false, "list-rules": false, "flush": false, "zero": false,
		"new-chain": false, "delete-chain": false, "version": false, "help": false,
		"init-table": false, "atomic-commit": true, "new": false, "list-chains": false}
	for _, a := range c.Args {
		if name, ok := strings.CutPrefix(a, "--"); ok {
			name, _, _ = strings.Cut(name, "=")
			if adds, ok := long[name]; ok {
				return adds
			}
			// getopt_long takes any unique beginning: --app.
			var found []string
			for k := range long {
				if len(name) > 2 && strings.HasPrefix(k, name) {
					found = append(found, k)
				}
			}
			if len(found) == 1 {
				return long[found[0]]
			}
			continue
		}
		if len(a) < 2 || a[0] != '-' {
			continue
		}
		// Short options without an argument may stand together: -nvL.
		letters := strings.TrimLeft(a[1:], "nvx46")
		if letters == "" {
			continue
		}
		switch letters[0] {
		case 'A', 'I', 'R', 'P', 'E':
			return true
		case 'D', 'C', 'L', 'S', 'F', 'Z', 'N', 'X', 'V', 'h':
			return false
		}
	}
	return true
}

// ipsetAdds goes by the command of ipset(8), which may follow options.
func (c *Call) ipsetAdds() bool {
	for i := 0; i < len(c.Args); i++ {
		switch a := c.Args[i]; a {
		case "-file", "-f", "-output", "-o":
			i++
		case "add", "-A", "--add", "restore", "-R", "--restore", "swap", "-W", "--swap", "rename", "-E", "--rename":
			return true
		case "create", "new", "n", "-N", "--create", "del", "-D", "--del", "test", "-T", "--test", "destroy", "x", "-X", "--destroy",
			"list", "-L", "--list", "save", "-S", "--save", "flush", "-F", "--flush", "help", "version", "-h", "-v", "--version", "--help":
			return false
		case "-exist", "-!", "--exist", "-quiet", "-q", "-sorted", "-s", "-name", "-n", "-terse", "-t", "-resolve", "-r":
		default:
			return true
		}
	}
	return true
}

// nftAdds goes by the command of nft(8). A file of commands adds.
func (c *Call) nftAdds() bool {
	words := strings.Fields(strings.Join(c.Args, " "))
	for _, w := range words {
		if w[0] == '-' {
			if strings.ContainsRune(w, 'f') && !strings.HasPrefix(w, "--") || strings.HasPrefix(w, "--file") || w == "-i" {
				return true
			}
			continue
		}
		return !slices.Contains([]string{"create", "delete", "destroy", "flush", "list", "get", "reset", "describe", "monitor"}, w)
	}
	return !slices.ContainsFunc(c.Args, func(a string) bool { return a == "-v" || a == "--version" || a == "-h" || a == "--help" })
}

// fatal says whether a failed call fails the build.
func (c *Call) fatal() bool {
	return c.Status != 0 && c.adds() && !c.Discarded && !c.Tested
}
