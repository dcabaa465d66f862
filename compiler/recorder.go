package compiler

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The recorder makes building fast. A run of iptables costs milliseconds, and
// more with every rule that is there; a shell function that writes its
// arguments into a pipe costs microseconds. So calls that only add go into a
// pipe, at whose other end staging's first process makes lines of them for
// restore programs that load while the script goes on. Whatever reads or takes
// away waits until all is loaded that came before: that is a flush.
//
// A queued call has the exit status 0. Where the real call would have had
// another, or would have said anything, its load fails or says something as
// well, for the restore program has the same parser and asks the same kernel.
// Then staging is thrown away and the script runs again in exact mode, every
// call for real. So the recorder may be wrong about cost, never about content.
//
// The shell decides by a glance at the first words: it must be quick. What a
// restore reads otherwise than the tool reads its arguments is found at the
// other end, by queueable; such a call is made there, for real, in its place.
//
// Three things queue. In bash, functions of the tools' names, also /sbin/iptables,
// which BASH_ENV defines: bash tells them who called. In other shells, the
// script that runs is a copy whose firewall commands have a word ahead of them
// that names the line, see rewrite.go: no ENV is read by a shell that is not
// interactive, a POSIX shell has no function of the name /sbin/iptables, and
// one that is called iptables shows in command -v and cannot tell its caller's
// line. Everything else that reaches a tool, such as sudo, xargs, Python or a
// child's script, meets the shim, which queues too: that costs a process, and
// not the firewall's growth. What speaks to netfilter without any of them is
// held until all is loaded, see listener.go.
const (
	recCalls  = toolDir + "/calls"      // the pipe of the calls
	recToken  = toolDir + "/token"      // a pipe with one line in it: the lock of a flush
	recAnswer = toolDir + "/answer"     // a pipe with a line for each flush that is done
	recRedo   = toolDir + "/redo"       // a pipe that says why exact mode is needed
	recShell  = toolDir + "/sh"         // the prelude of POSIX shells
	recPlain  = toolDir + "/plain.bash" // functions for bash that do not queue
	recCopy   = toolDir + "/script"
)

// recordable is a tool whose calls can be queued.
type recordable struct {
	name  string   // iptables, iptables-legacy, ipset, …
	real  string   // the tool itself, as the script sees it
	load  string   // the program that loads its queue; tools share it
	paths []string // under which scripts find it
	dir   string   // the directory that it is in
	nft   bool     // it loads as it comes, some hundred calls at a time
}

// recordables finds them among the tools that were replaced. A tool that two
// directories have is left to its shims.
func (s *shims) recordables() []recordable {
	var out []recordable
	for _, t := range s.tools {
		base, _, _ := strings.Cut(t.name, "-")
		r := recordable{name: t.name, dir: t.dir, real: t.real() + "/" + t.name}
		multi := filepath.Base(t.file)
		switch {
		case slices.ContainsFunc(s.tools, func(o tool) bool { return o.name == t.name && o.dir != t.dir }):
			continue
		case base == "arptables":
			// Its restore looks at no argument, and so empties the table first:
			// xtables_arp_restore_main in iptables/xtables-restore.c.
			continue
		case t.name == "ipset":
			r.load = t.real() + "/ipset"
		case multi != "xtables-nft-multi" && (multi != "xtables-legacy-multi" || base == "ebtables"):
			continue
		case t.name != base && t.name != base+"-nft" && t.name != base+"-legacy":
			continue
		default:
			r.nft = multi == "xtables-nft-multi"
			// All names of one program share a queue.
			backend := strings.TrimSuffix(strings.TrimPrefix(multi, "xtables"), "-multi")
			restore := base + backend + "-restore"
			if !slices.ContainsFunc(s.tools, func(o tool) bool { return o.name == restore && o.dir == t.dir && o.file == t.file }) {
				continue
			}
			r.load = t.real() + "/" + restore
		}
		for _, d := range programDirs {
			if real, err := filepath.EvalSymlinks(d); err == nil && real == t.dir {
				r.paths = append(r.paths, d+"/"+t.name)
			}
		}
		out = append(out, r)
	}
	return out
}

// The marks of the pipe: fields that end in the byte fieldEnd. A call is
// "call", the number of the fields that follow up to the tool's last argument,
// its place, the tool, its arguments, "end".
const (
	fieldEnd  = 0x1f
	fieldText = `\037`
	callMark  = "call"
	endMark   = "end"
	flushMark = "flush"
)

// glance is the shell's look at the first words of a call, which stand in
// glanceAt each between two bytes of 1f: it runs queue if the call may be
// queued, else run. A call that makes a chain or a set of an odd name often
// fails, and the script knows.
func glance(first int, queue, run string) string {
	return "case ${XTABLES_LIBDIR-}${IPSET_LIBDIR-}" + glanceAt(first) + strings.NewReplacer("~", "\x1f", "QUEUE", queue, "RUN", run).Replace(` in
  ~*~-[AI]~*|~*~--append~*|~*~--insert~*|~*~add~*) QUEUE ;;
  *[!A-Za-z0-9_@%+=:,./!~-]*) RUN ;;
  ~*~-[NP]~*|~*~--new-chain~*|~*~--policy~*|~*~create~*) QUEUE ;;
  *) RUN ;;
  esac
`)
}

// glanceAt is what the pattern is held against, of a shell's parameters from
// the first-th on.
func glanceAt(first int) string {
	text := "\x1f\x1f"
	for i := first; i < first+5; i++ {
		text += fmt.Sprintf("${%d-}\x1f", i)
	}
	return text
}

// flushText waits until everything that was queued is loaded. A shim reads it
// before it runs its tool.
const flushText = "read -r _t <" + recToken + "\n" +
	"printf '" + flushMark + fieldText + "' >>" + recCalls + "\n" +
	"read -r _t <" + recAnswer + "\n" +
	"echo >" + recToken + "\n"
