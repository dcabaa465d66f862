package compiler

import (
	"fmt"
	"slices"
	"strings"
)

// pathText is the shell function that says whether the tools are found in
// their directory with the PATH as it is, and remembers it.
func pathText(dirs []string) string {
	return `_fwc_P=
_fwc_i=0
_fwc_path() {
  local _fwc_r="$PATH:" _fwc_d
  while [ -n "$_fwc_r" ]; do
    _fwc_d=${_fwc_r%%:*}
    _fwc_r=${_fwc_r#*:}
    case ${_fwc_d%/} in
    ` + strings.Join(dirs, "|") + `) _fwc_P=$PATH; return 0 ;;
    ` + strings.Join(programDirs, "|") + `) ;;
    *) return 1 ;;
    esac
  done
  return 1
}
_fwc_full() {
  _fwc_i=0
  /bin/sh ` + recFlush + ` </dev/null >/dev/null 2>&1
}
`
}

// queueFunctions are _fwc_y and _fwc_x for a shell that runs a builtin of its
// own, and no function of the script's, with the word builtin ahead.
func queueFunctions(builtin string) string {
	return strings.ReplaceAll(quickText+queueText, "BUILTIN", builtin)
}

// homeDirs are the names of the directory that all recordable tools are in.
// There are none, and so no plain names, where they are in several.
func homeDirs(recs []recordable) []string {
	var dirs []string
	for i, r := range recs {
		if r.dir != recs[0].dir {
			return []string{"''"}
		}
		if i == 0 {
			for _, p := range r.paths {
				dirs = append(dirs, strings.TrimSuffix(p, "/"+r.name))
			}
		}
	}
	if len(dirs) == 0 {
		return []string{"''"}
	}
	return dirs
}

// shellPrelude defines _fwc, which the copy of a script has ahead of its
// firewall commands: "_fwc 12 iptables -A INPUT". Where the command turns out
// to be one that must not run in a function, exact mode follows.
func shellPrelude(recs []recordable) string {
	var cases strings.Builder
	for _, r := range recs {
		piece := ""
		if r.nft {
			piece = " _fwc_m=1"
		}
		fmt.Fprintf(&cases, "  %s) { [ \"$PATH\" = \"$_fwc_P\" ] || _fwc_path; } && _fwc_k=%s _fwc_n=%s%s ;;\n", r.name, r.key, r.name, piece)
		if len(r.paths) > 0 {
			fmt.Fprintf(&cases, "  %s) _fwc_k=%s _fwc_n=%s%s ;;\n", strings.Join(r.paths, "|"), r.key, r.name, piece)
		}
	}
	return queueFunctions("command") + pathText(homeDirs(recs)) + `_fwc() {
  local _fwc_l="$1" _fwc_k= _fwc_n= _fwc_m= _fwc_w
  shift
  case ${1-} in
` + cases.String() + `  .|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset|local|cd|read|alias|unalias|umask|getopts|command|builtin|wait|hash|type|bg|fg|jobs|ulimit|source|declare|typeset|let)
    echo "line $_fwc_l runs the shell's $1" >` + recRedo + `
    while :; do /bin/sleep 1000; done ;;
  esac
  if [ -n "$_fwc_k" ]; then
    _fwc_w=$1
    shift
    if case $_fwc_k in *t) false ;; *) _fwc_y "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@" ;; esac || _fwc_x "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@"; then
      [ -z "$_fwc_m" ] || [ $((_fwc_i+=1)) -lt ` + fmt.Sprint(pieceSize) + ` ] || _fwc_full
      return 0
    fi
    set -- "$_fwc_w" "$@"
  fi
  FWC_LINE=$_fwc_l "$@"
}
`
}

// exactPrelude defines _fwc where nothing is recorded: it tells the line.
const exactPrelude = `_fwc() {
  local _fwc_l="$1"
  shift
  FWC_LINE=$_fwc_l "$@"
}
`

// bashPrelude defines functions of the tools' names. bash looks for a function
// before it looks whether a name has a slash. What asks whether a tool is
// there must not see them: command and type are functions too.
//
// Where nothing is recorded the functions only tell the line. A trace, which
// tells it too, shows in $- and takes the script's own.
func bashPrelude(recs []recordable, tools []tool, record bool) string {
	var b strings.Builder
	b.WriteString(queueFunctions("builtin") + pathText(homeDirs(recs)))
	b.WriteString(`_fwc_w() {
  local _fwc_l="${BASH_LINENO[1]} ${BASH_SOURCE[2]}" _fwc_k=$1 _fwc_n=$2 _fwc_w=$3
  shift 3
  case $_fwc_l in *[[:cntrl:]]*) _fwc_l="${BASH_LINENO[1]} ?" ;; esac
  case $_fwc_k$_fwc_w in
  -*) false ;;
  */*) _fwc_y "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@" || _fwc_x "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@" ;;
  *) { [ "$PATH" = "$_fwc_P" ] || _fwc_path; } && { _fwc_y "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@" || _fwc_x "$_fwc_k" "$_fwc_n" "$_fwc_l" "$@"; } ;;
  esac && { case $_fwc_k in *-nft) [ $((_fwc_i+=1)) -lt ` + fmt.Sprint(pieceSize) + ` ] || _fwc_full ;; esac; return 0; }
  FWC_LINE=$_fwc_l _fwc_run "$_fwc_w" "$@"
}
`)
	var names []string
	for _, t := range tools {
		if !shimmed(t.name) || strings.HasSuffix(t.name, "-multi") || slices.Contains(names, t.name) {
			continue
		}
		key, paths := "-", []string(nil)
		if i := slices.IndexFunc(recs, func(r recordable) bool { return r.name == t.name }); i >= 0 {
			paths = recs[i].paths
			if record {
				key = recs[i].key
			}
		}
		for _, name := range append([]string{t.name}, paths...) {
			names = append(names, name)
			fmt.Fprintf(&b, "%s() { _fwc_w %s %s %s \"$@\"; }\n", name, key, t.name, name)
		}
	}
	fmt.Fprintf(&b, bashCommands, strings.Join(names, " "))
	return b.String()
}

// bashCommands run a program in the place of a function of its name: with a
// slash more no function has it. "builtin command" would do, but under set -e
// it ends the shell even where a failure is looked at.
const bashCommands = `_fwc_run() {
  local _fwc_d
  case $1 in
  /*) "/$@"; return ;;
  */*) "$@"; return ;;
  esac
  _fwc_d=$PATH:
  while [ -n "$_fwc_d" ]; do
    if [ -f "${_fwc_d%%%%:*}/$1" ] && [ -x "${_fwc_d%%%%:*}/$1" ]; then
      _fwc_d=${_fwc_d%%%%:*}/$1
      shift
      set -- "$_fwc_d" "$@"
      case $1 in /*) "/$@" ;; *) "$@" ;; esac
      return
    fi
    _fwc_d=${_fwc_d#*:}
  done
  (unset -f "$1"; "$@")
}
_fwc_ask() (
  unset -f %s command type
  builtin "$@"
)
command() {
  case ${1-} in
  -*[vV]*) _fwc_ask command "$@" ;;
  ''|-*) builtin command "$@" ;;
  *)
    case $(builtin type -at -- "$1" 2>/dev/null) in
    *builtin*) builtin "$@" ;;
    *) _fwc_run "$@" ;;
    esac ;;
  esac
}
type() { _fwc_ask type "$@"; }
`
