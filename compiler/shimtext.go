package compiler

import (
	"fmt"
	"strings"
)

// shimText is the script that stands for a tool whose real one is in dir. Standard error is read
// through a command substitution, which costs no second process, and is given
// on after the tool's end. A record is a list of fields that end in NUL, see
// parseLog; the shell writes it in one piece.
//
// While calls are recorded it loads what is queued first, or queues its own
// call where rec says how.
func shimText(dir, name string, rec *recordable, record bool) string {
	real := dir + "/" + name
	run, again, in, queue := real+` "$@"`, "", "", ""
	if record {
		queue = ". " + recFlush + "\n"
		if rec != nil {
			queue = queueText + fmt.Sprintf(`_fwc_x %s %s "${FWC_LINE-}" "$@" && exit 0`, rec.key, rec.name) + "\n" + queue
		}
	}
	switch {
	case strings.HasSuffix(name, "-multi"):
		// Links to this program, such as iptables-save, find the shim too.
		in = "case ${0##*/} in " + name + ") ;; *) exec " + dir + `/"${0##*/}" "$@" ;; esac` + "\n"
	case strings.HasSuffix(name, "-restore"):
		run, again, in = real+` "$@" <"$i"`, restoreAgain(real), restoreInput
	}
	return `#!/bin/sh
# Stands for the tool of this name: runs it and notes how it went.
` + queue + `i=
` + in + `{ e=$(` + run + ` 2>&1 >&3 3>&-) && s=0 || s=$?; } 3>&1
[ -n "$s" ] || exec ` + real + ` "$@"
` + again + `q=
if [ "$s" != 0 ]; then
  if [ ! -e /proc/self/fd/2 ] || [ /proc/self/fd/2 -ef /dev/null ]; then q=quiet; fi
fi
[ -z "$e" ] || printf '%s\n' "$e" >&2
printf '%s\0' call "$s" "$PPID" "${FWC_LINE-}" "$q" "$0" "$i" "$#" "$@" "$e" 2>/dev/null >>` + shimLog + `
exit "$s"
`
}

// restoreInput keeps what a restore reads: its standard input, or the file
// that is its last argument.
const restoreInput = `i=` + shimIn + `/$$
f=
for a do f=$a; done
if [ -f "$f" ]; then cat -- "$f"; else cat; fi >"$i" 2>/dev/null || i=/dev/stdin
`

// restoreAgain restores in pieces what the kernel does not take in one
// message from a user namespace: see netfilter.Load. The script sees the same
// end as on a host, where the tool may enlarge its buffer.
func restoreAgain(real string) string {
	return `piece() {
  if [ -n "$b" ] || [ "$n" = "" ]; then
    printf '%s\n%sCOMMIT\n' "$t" "$b" | ` + real + ` $n "$@" || return
  fi
  b= k=0 n=--noflush
}
pieces() {
  if [ -f "$f" ]; then
    # Without the name of the file, the last argument.
    c=$#
    for a do
      [ $c -gt 1 ] || break
      set -- "$@" "$a"
      c=$((c-1))
    done
    shift $((($#+1)/2))
  fi
  t= b= k=0 n=
  while IFS= read -r l; do
    case $l in
    '#'*|'') ;;
    '*'*) t=$l b= k=0 n= ;;
    COMMIT*) piece "$@" || return ;;
    *) b="$b$l
"; k=$((k+1)); [ $k -lt 400 ] || piece "$@" || return ;;
    esac
  done <"$i"
}
case $e in *'Message too long'*)
  { e=$(pieces "$@" 2>&1 >&3 3>&-) && s=0 || s=$?; } 3>&1
esac
`
}

// moduleShim stands for modprobe: a namespace loads no modules, and the host
// of the firewall will.
const moduleShim = `#!/bin/sh
printf '%s\0' call 0 "$PPID" "${FWC_LINE-}" "" "$0" "" "$#" "$@" "" 2>/dev/null >>` + shimLog + `
exit 0
`
