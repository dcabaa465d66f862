package compiler

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The recorder makes building fast. A run of iptables costs milliseconds, and
// more with every rule that is there; a shell function that appends a line to
// a file costs microseconds. So calls that only add are queued, in files that
// are the input of a restore program already, one for each program and table.
// Whatever reads or takes away loads them first: that is a flush.
//
// A queued call has the exit status 0. Where the real call would have had
// another, or would have said anything, the flush fails or says something as
// well, for the restore program has the same parser and asks the same kernel.
// Then staging is thrown away and the script runs again in exact mode, every
// call for real. So the recorder may be wrong about cost, never about content.
//
// Three things queue. In bash, functions of the tools' names, also /sbin/iptables,
// which BASH_ENV defines: bash tells them who called. In other shells, the
// script that runs is a copy whose firewall commands have a word ahead of them
// that names the line, see rewrite.go: no ENV is read by a shell that is not
// interactive, a POSIX shell has no function of the name /sbin/iptables, and
// one that is called iptables shows in command -v and cannot tell its caller's
// line. Everything else that reaches a tool, such as sudo, xargs, Python or a
// child's script, meets the shim, which queues too: that costs a process, and
// not the firewall's growth.
const (
	recQueue = toolDir + "/q"     // one file for each program and table
	recDone  = toolDir + "/b"     // a directory for each flush
	recCount = toolDir + "/count" // the number of the next flush
	recToken = toolDir + "/token" // a pipe with one line in it: the lock
	recRedo  = toolDir + "/redo"  // a pipe that says why exact mode is needed
	recFlush = toolDir + "/flush" // the script that flushes
	recShell = toolDir + "/sh"    // the prelude of POSIX shells
	recCopy  = toolDir + "/script"
)

// recordable is a tool whose calls can be queued.
type recordable struct {
	name  string   // iptables, iptables-legacy, ipset, …
	key   string   // begins the names of its queue files: "0.iptables-nft"
	paths []string // under which scripts find it
	dir   string   // the directory that it is in
	nft   bool     // a flush takes some hundred calls at a time
}

// recordables finds them among the tools that were replaced. A tool that two
// directories have is left to its shims.
func (s *shims) recordables() []recordable {
	var out []recordable
	for _, t := range s.tools {
		base, _, _ := strings.Cut(t.name, "-")
		r := recordable{name: t.name, dir: t.dir}
		multi := filepath.Base(t.file)
		switch {
		case slices.ContainsFunc(s.tools, func(o tool) bool { return o.name == t.name && o.dir != t.dir }):
			continue
		case t.name == "ipset":
			r.key = fmt.Sprintf("%d.ipset", t.index)
		case multi != "xtables-nft-multi" && (multi != "xtables-legacy-multi" || base == "arptables" || base == "ebtables"):
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
			r.key = fmt.Sprintf("%d.%s%s", t.index, base, backend)
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

// pieceSize is how many calls of the nft backend are loaded at once. In a user
// namespace one transaction is at most some 200 KB: see restoreAgain.
const pieceSize = 250

// queueText is the shell function that queues one call, "_fwc_x KEY TOOL PLACE
// ARG…", or returns 1. What it knows are the forms whose meaning does not
// depend on what the program's option parser makes of the words before: an
// option that it looks for and that follows another option may be that one's
// value. Variables are local, since a trap may come between. The words that a
// restore does not take, -t and -w, stand behind the tool's name, each with
// where it was: "iptables/0:-t/1:nat".
const queueText = `_fwc_x() {
  local _fwc_k="$1" _fwc_h="$2" _fwc_l="$3" _fwc_o= _fwc_t=filter _fwc_c= _fwc_p= _fwc_s= _fwc_n=0 _fwc_j=-1 _fwc_a
  shift 3
  case $_fwc_k in *ipset) _fwc_s=S ;; esac
  [ $# -lt 200 ] && [ -z "${XTABLES_LIBDIR-}${IPSET_LIBDIR-}" ] || return 1
  for _fwc_a do
    _fwc_j=$((_fwc_j+1))
    case $_fwc_a in
    '') return 1 ;;
    *[!A-Za-z0-9_@%+=:,./!-]*)
      case $_fwc_s$_fwc_c$_fwc_a in S*|T*|-[NP]*|--[np]*|*[\"\\]*|*[![:print:]]*) return 1 ;; esac
      _fwc_o="$_fwc_o \"$_fwc_a\"" _fwc_p= _fwc_n=$((_fwc_n+1))
      continue ;;
    esac
    case $_fwc_s in
    '') ;;
    T)
      case $_fwc_a in *[!a-z]*) return 1 ;; esac
      _fwc_t=$_fwc_a _fwc_s= _fwc_p= _fwc_h="$_fwc_h/$_fwc_j:$_fwc_a"
      continue ;;
    W)
      _fwc_s= _fwc_p=
      case $_fwc_a in *[!0-9]*) ;; *) _fwc_h="$_fwc_h/$_fwc_j:$_fwc_a"; continue ;; esac ;;
    S)
      case $_fwc_a in
      add|-A|create|-N) _fwc_s=Z _fwc_c=$_fwc_a ;;
      -exist|-!) ;;
      *) return 1 ;;
      esac
      _fwc_o="$_fwc_o $_fwc_a"
      continue ;;
    Z)
      case $_fwc_a in -exist|-!) ;; -*) return 1 ;; esac
      _fwc_o="$_fwc_o $_fwc_a"
      continue ;;
    esac
    case $_fwc_a in
    -t|--table|-w|--wait)
      case $_fwc_p in -*|!) return 1 ;; esac
      _fwc_s=W _fwc_h="$_fwc_h/$_fwc_j:$_fwc_a"
      case $_fwc_a in -t|--table) _fwc_s=T ;; esac
      continue ;;
    -A|-I|-N|-P|--append|--insert|--new-chain|--policy)
      [ -z "$_fwc_c$_fwc_o" ] || return 1
      _fwc_c=$_fwc_a _fwc_o=$_fwc_a _fwc_p=
      continue ;;
    --ta*|--wa*|--ipv|--ipv[46]|--modp*) return 1 ;;
    --*|-[psdjgiom]*|-f) ;;
    -*) return 1 ;;
    esac
    _fwc_o="$_fwc_o $_fwc_a" _fwc_p=$_fwc_a _fwc_n=$((_fwc_n+1))
  done
  case $_fwc_c in
  -A|--append|-I|--insert) ;;
  -N|--new-chain) [ $_fwc_n = 1 ] || [ "$_fwc_s" = Z ] || return 1 ;;
  -P|--policy) [ $_fwc_n = 2 ] || return 1 ;;
  add|create) ;;
  *) return 1 ;;
  esac
  case $_fwc_s in
  ''|W)
    case $_fwc_o in
    *set*|*SET*) [ -e ` + recQueue + `/sets ] || : >>` + recQueue + `/sets ;;
    esac ;;
  Z)
    _fwc_t=
    case $_fwc_c in create|-N) [ ! -e ` + recQueue + `/sets ] || return 1 ;; esac ;;
  *) return 1 ;;
  esac
  _fwc_h="$_fwc_h $_fwc_l"
  [ ${#_fwc_o} -lt 1500 ] && [ ${#_fwc_h} -lt 300 ] && BUILTIN printf '#%s\n%s\n' "$_fwc_h" "$_fwc_o" >>` + recQueue + `/$_fwc_k${_fwc_t:+.$_fwc_t}
}
`

// quickText is a shell function that queues the usual call, a rule of plain
// words with at most -t ahead of it, or returns 1. It looks at all words at
// once, joined by a byte that none of them holds: bash takes 5 µs for a word
// otherwise. It is small, because bash copies a function each time it runs it.
// BUILTIN is how the shell at hand calls printf.
var quickText = strings.ReplaceAll(`_fwc_y() {
  local _fwc_k="$1" _fwc_h="#$2 $3" _fwc_t=filter _fwc_s IFS=~
  shift 3
  [ $# -gt 2 ] && [ -z "${XTABLES_LIBDIR-}" ] || return 1
  case $1 in
  -t)
    case $2 in *[!a-z]*) return 1 ;; esac
    _fwc_t=$2
    shift 2 ;;
  esac
  case ${1-} in -A|-I) ;; *) return 1 ;; esac
  _fwc_s="$*"
  case $_fwc_s in
  *[!A-Za-z0-9_@%+=:,./!~-]*|*~-[!-][!~]*|*~-[!psdjiogmf-]*|*~-|*~|*~~*|*set*|*SET*) return 1 ;;
  *~--ta*|*~--wa*|*~--ap*|*~--in*|*~--ne*|*~--po*|*~--ip*|*~--mo*) return 1 ;;
  esac
  IFS=' '
  [ ${#_fwc_s} -lt 1500 ] && [ ${#_fwc_h} -lt 300 ] && BUILTIN printf '%s\n%s\n' "$_fwc_h" "$*" >>`+recQueue+`/$_fwc_k.$_fwc_t
}
`, "~", "\x1f")

// flushText loads what is queued. It is run, or read by a shim, which then
// runs its tool. Sets come before the rules that name them; the functions see
// to it that no set is queued that a queued rule came before.
const flushText = `_redo() {
  echo "$1" >` + recRedo + `
  while :; do /bin/sleep 1000; done
}
_load() {
  echo "*$_t" >"$2" && /bin/cat "$1" >>"$2" && echo COMMIT >>"$2" || _redo "the queue cannot be read"
  "$_p-restore" $_w --noflush <"$2" >` + recDone + `/out 2>&1
}
read -r _t <` + recToken + `
for _f in ` + recQueue + `/*; do
  [ -e "$_f" ] || break
  read -r _k <` + recCount + `
  echo $((_k+1)) >` + recCount + `
  _b=` + recDone + `/$_k
  [ -d "$_b" ] || /bin/mkdir "$_b" || _redo "a flush has no directory"
  /bin/mv ` + recQueue + `/* "$_b"/ || _redo "the queue cannot be moved"
  printf 'flush\0%s\0' "$_k" >>` + shimLog + `
  for _f in "$_b"/*; do
    _n=${_f##*/} _w=
    case $_n in
    sets) continue ;;
    *.ipset)
      /bin/cat "$_f" >"$_f,done" && ` + shimReal + `/${_n%.ipset}/ipset restore <"$_f,done" >` + recDone + `/out 2>&1 || _redo "ipset restore failed" ;;
    *.*.*) continue ;;
    *) _redo "a strange file in the queue" ;;
    esac
    [ ! -s ` + recDone + `/out ] || _redo "ipset restore: $(/bin/cat ` + recDone + `/out)"
  done
  for _f in "$_b"/*.*.*; do
    [ -e "$_f" ] || break
    _n=${_f##*/}
    _t=${_n##*.} _p=${_n%.*}
    _p=` + shimReal + `/${_p%%.*}/${_p#*.} _w=
    case $_p in */iptables*|*/ip6tables*) _w=-w ;; esac
    if ! _load "$_f" "$_f,done"; then
      read -r _o <` + recDone + `/out
      case $_o in *'Message too long'*) ;; *) _redo "$_o" ;; esac
      /usr/bin/split -a 4 -l 200 "$_f" "$_f,part." || _redo "$_o"
      for _g in "$_f",part.*; do
        _load "$_g" "$_g,done" && [ ! -s ` + recDone + `/out ] || _redo "$(/bin/cat ` + recDone + `/out)"
      done
      continue
    fi
    [ ! -s ` + recDone + `/out ] || _redo "$(/bin/cat ` + recDone + `/out)"
  done
  printf 'done\0%s\0' "$_k" >>` + shimLog + `
  break
done
echo >` + recToken + `
`
