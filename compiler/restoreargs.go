package compiler

import (
	"path/filepath"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// restoreArgs are the options of a restore program that matter to what it
// makes: iptables-restore(8).
type restoreArgs struct {
	noFlush bool
	table   string // the only one, or ""
	idle    bool   // it changes nothing: --test, --help, --version
}

// restoreOptions are the long options. Those with a value have it always,
// --wait and its kin may.
var restoreOptions = map[string]byte{
	"counters": 'c', "verbose": 'v', "version": 'V', "test": 't', "help": 'h', "noflush": 'n', "modprobe": 'M',
	"table": 'T', "wait": 'w', "wait-interval": 'W', "ipv4": '4', "ipv6": '6',
}

// parseRestore reads the options as getopt_long does.
func parseRestore(kind ruleset.Kind, args []string) restoreArgs {
	var r restoreArgs
	if kind == ruleset.ARPTables {
		return r // it looks at none
	}
	take := func(letter byte, value string) {
		switch letter {
		case 'n':
			r.noFlush = true
		case 't', 'h', 'V':
			r.idle = true
		case 'T':
			r.table = value
		}
	}
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			return ""
		}
		optional := func() {
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && args[i+1] != "!" {
				i++
			}
		}
		switch {
		case a == "--":
			return r
		case strings.HasPrefix(a, "--"):
			name, value, has := strings.Cut(a[2:], "=")
			letter := restoreLong(name)
			switch {
			case strings.IndexByte("TM", letter) >= 0 && letter != 0 && !has:
				value = next()
			case letter == 'w' && !has, letter == 'W' && !has:
				optional()
			}
			take(letter, value)
		case len(a) > 1 && a[0] == '-':
			for k := 1; k < len(a); k++ {
				switch rest := a[k+1:]; a[k] {
				case 'T', 'M':
					if rest == "" {
						rest = next()
					}
					take(a[k], rest)
					k = len(a)
				case 'w', 'W':
					if rest == "" {
						optional()
					}
					k = len(a)
				default:
					take(a[k], "")
				}
			}
		}
	}
	return r
}

// restoreLong returns the letter of a long option or of its unique beginning.
func restoreLong(name string) byte {
	if l := restoreOptions[name]; l != 0 {
		return l
	}
	var found byte
	for full, l := range restoreOptions {
		if strings.HasPrefix(full, name) {
			if found != 0 {
				return 0
			}
			found = l
		}
	}
	return found
}

// program is one of the programs that a Replay is of.
type program struct {
	kind    ruleset.Kind
	backend ruleset.Backend
}

// String returns the name of the program's dump, less its end.
func (p program) String() string {
	if p.backend == ruleset.Legacy {
		return string(p.kind) + "-legacy"
	}
	return string(p.kind)
}

// programOf returns the program that a call was of, and whether it is the
// restore. Of a plain name it depends on the file behind it.
func (s *stage) programOf(c *Call) (p program, restore, ok bool) {
	name, restore := strings.CutSuffix(c.Tool, "-restore")
	for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables, ruleset.EBTables} {
		rest, is := strings.CutPrefix(name, string(kind))
		if !is {
			continue
		}
		p.kind = kind
		switch rest {
		case "-nft":
			p.backend = ruleset.NFT
		case "-legacy":
			p.backend = ruleset.Legacy
		case "":
			p.backend = s.backendOf(c)
		default:
			return p, restore, false
		}
		return p, restore, true
	}
	return p, restore, false
}

// backendOf tells the backend of a tool by the file that it is.
func (s *stage) backendOf(c *Call) ruleset.Backend {
	file := c.multi
	if file == "" {
		for _, t := range s.shims.tools {
			if t.name == c.Tool {
				file = filepath.Base(t.file)
				break
			}
		}
	}
	if file == "xtables-nft-multi" || strings.Contains(file, "-nft") {
		return ruleset.NFT
	}
	return ruleset.Legacy
}
