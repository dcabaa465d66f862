package compiler

import (
	"strings"
)

// shimText is the script that stands for a tool. Standard error is read
// through a command substitution, which costs no second process, and is given
// on after the tool's end. A record is a list of fields that end in NUL, see
// parseLog; the shell writes it in one piece. It has the tool's own name: the
// script may call it by a link of any.
//
// While calls are recorded it loads what is queued first, or queues its own
// call where rec says how.
//
// A script may choose another tool of its name, with update-alternatives(1):
// then that one's shim runs.
func shimText(t tool, rec *recordable, record bool) string {
	name := t.name
	real := t.real() + "/" + name
	run, again, in, queue := real+` "$@"`, "", "", ""
	if record {
		// Another user reads nothing and adds nothing: its call fails.
		queue = flushText
		if rec != nil {
			queue = glance(1, "printf '%s"+fieldText+"' "+callMark+` "$(($#+2))" "${FWC_LINE-}" `+rec.name+` "$@" `+endMark+" >>"+recCalls+" && exit 0", ":") + queue
		}
		queue = "if [ -w " + recCalls + " ]; then\n" + queue + "fi\n"
	}
	if t.link != "" {
		queue = "[ " + t.link + " -ef " + t.target + " ] || [ ! -x " + t.link + " ] || exec " + t.link + ` "$@"` + "\n" + queue
	}
	multi := strings.HasSuffix(name, "-multi")
	switch {
	case multi:
		// Links to this program, such as iptables-save, find the shim too.
		in = "case ${0##*/} in\n" + name + ") ;;\n" +
			"*tables|*tables-nft|*tables-legacy|*tables-restore|*tables-nft-restore|*tables-legacy-restore) set -- \"${0##*/}\" \"$@\" ;;\n" +
			"*) exec " + real + ` "${0##*/}" "$@" ;;` + "\nesac\n"
		fallthrough
	case strings.HasSuffix(name, "-restore"):
		run, again = `tool "$@"`, restoreAgain
		in += toolFunction(real) + restoreInput(name, multi)
	case name == "ipset":
		run = `tool "$@"`
		in = toolFunction(real) + setInput
	}
	return `#!/bin/sh
# Stands for the tool of this name: runs it and notes how it went.
` + queue + `[ -e /proc/self/fd/1 ] || exec >/dev/null
i=
` + in + `{ e=$(` + run + ` 2>&1 >&3 3>&-) && s=0 || s=$?; } 3>&1
[ -n "$s" ] || exec ` + real + ` "$@"
` + again + `q=
if [ "$s" != 0 ]; then
  if [ ! -e /proc/self/fd/2 ] || [ /proc/self/fd/2 -ef /dev/null ]; then q=quiet; fi
fi
[ -z "$e" ] || printf '%s\n' "$e" >&2
printf '%s\0' call "$s" "$PPID" "${FWC_LINE-}" "$q" ` + name + ` "$i" "$#" "$@" "$e" 2>/dev/null >>` + shimLog + `
exit "$s"
`
}

// moduleShim stands for modprobe: a namespace loads no modules, and the host
// of the firewall will.
const moduleShim = `#!/bin/sh
printf '%s\0' call 0 "$PPID" "${FWC_LINE-}" "" "$0" "" "$#" "$@" "" 2>/dev/null >>` + shimLog + `
exit 0
`
