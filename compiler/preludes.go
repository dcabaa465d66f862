package compiler

import (
	"fmt"
	"slices"
	"strings"
)

// pathText is the shell function that says whether the tools are found in
// their directory with the PATH as it is, and remembers it. more is a command
// that looks further.
func pathText(dirs []string, more string) string {
	return `_fwc_P=
_fwc_path() {
  local _fwc_r="${PATH-}:" _fwc_d
  while [ -n "$_fwc_r" ]; do
    _fwc_d=${_fwc_r%%:*}
    _fwc_r=${_fwc_r#*:}
    case ${_fwc_d%/} in
    ` + strings.Join(dirs, "|") + `) ` + more + ` _fwc_P=x${PATH-}; return 0 ;;
    ` + strings.Join(programDirs, "|") + `) ;;
    *) return 1 ;;
    esac
  done
  return 1
}
`
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
	var names, paths []string
	for _, r := range recs {
		names = append(names, r.name)
		paths = append(paths, r.paths...)
	}
	if len(names) == 0 {
		names = []string{"''"}
	}
	if len(paths) == 0 {
		paths = []string{"''"}
	}
	// A sourced file may define functions and aliases. type(1) tells in the words
	// of dash and busybox.
	others := `case $(type ` + strings.Join(append(names, "command", "printf", "local"), " ") + ` 2>/dev/null) in
    *" is a function"*|*" is a shell function"*|*" is an alias for "*) return 1 ;;
    esac;`
	return pathText(homeDirs(recs), others) + runText + `_fwc() {
  case ${2-} in
  ` + strings.Join(names, "|") + `)
    case x${PATH-} in "$_fwc_P") ;; *) _fwc_path || { _fwc_run "$@"; return; } ;; esac ;;
  ` + strings.Join(paths, "|") + `) ;;
  .|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset|local|cd|read|alias|unalias|umask|getopts|command|builtin|wait|hash|type|bg|fg|jobs|ulimit|source|declare|typeset|let)
    echo "line $1 runs the shell's $2" >` + recRedo + `
    while :; do /bin/sleep 1000; done ;;
  *) _fwc_run "$@"; return ;;
  esac
  ` + glance(3, `command printf '%s`+fieldText+`' `+callMark+` "$#" "$@" `+endMark+` >>`+recCalls+` || _fwc_run "$@"`, `_fwc_run "$@"`) + `}
`
}

// runText is the function that runs a command and tells its line. No shell
// looks for aliases behind the word that the copy has ahead of a command.
const runText = `_fwc_run() {
  local _fwc_l="$1"
  shift
  case $1 in
  *[!a-z0-9-]*|'') ;;
  *) if alias "$1" >/dev/null 2>&1; then eval "shift; FWC_LINE=\$_fwc_l $1 \"\$@\""; return; fi ;;
  esac
  FWC_LINE=$_fwc_l "$@"
}
`

// exactPrelude defines _fwc where nothing is recorded: it tells the line.
const exactPrelude = runText + `_fwc() { _fwc_run "$@"; }
`

// bashPrelude defines functions of the tools' names. bash looks for a function
// before it looks whether a name has a slash. What asks whether a tool is
// there must not see them: command and type are functions too.
//
// Where nothing is recorded the functions only tell the line. A trace, which
// tells it too, shows in $- and takes the script's own.
func bashPrelude(recs []recordable, tools []tool, record bool) string {
	var b strings.Builder
	if record {
		// Another user's call must fail as it would.
		b.WriteString("[ -w " + recCalls + " ] || { . " + recPlain + "; return 0; }\n")
	}
	b.WriteString(pathText(homeDirs(recs), ""))
	b.WriteString(`_fwc_w() {
  local _fwc_l="${BASH_LINENO[1]} ${BASH_SOURCE[2]}"
  case $_fwc_l in *[[:cntrl:]]*) _fwc_l="${BASH_LINENO[1]} ?" ;; esac
  FWC_LINE=$_fwc_l _fwc_run "$@"
}
`)
	var names []string
	for _, t := range tools {
		if !shimmed(t.name) || strings.HasSuffix(t.name, "-multi") || slices.Contains(names, t.name) {
			continue
		}
		var paths []string
		queues := false
		if i := slices.IndexFunc(recs, func(r recordable) bool { return r.name == t.name }); i >= 0 {
			paths, queues = recs[i].paths, record
		}
		for _, name := range append([]string{t.name}, paths...) {
			names = append(names, name)
			if !queues {
				fmt.Fprintf(&b, "%s() { _fwc_w %s \"$@\" || return; }\n", name, name)
				continue
			}
			found := `case x${PATH-} in "$_fwc_P") ;; *) _fwc_path || { _fwc_w ` + name + ` "$@" || return; return; } ;; esac`
			if strings.Contains(name, "/") {
				found = ":"
			}
			b.WriteString(bashFunction(name, found))
		}
	}
	fmt.Fprintf(&b, bashCommands, strings.Join(names, " "))
	return b.String()
}

// bashFunction is a tool's function. find is a command that looks for the tool
// in PATH. A failure is returned with "|| return": a trap on ERR, which functions
// have under set -E, must run for the script's call and not for what it runs
// through. The function is small, because bash copies a function each time it
// runs it.
func bashFunction(name, find string) string {
	return name + "() {\n  " + find + "\n  " +
		glance(1, `builtin printf '%s`+fieldText+`' `+callMark+` "$(($#+2))" "${BASH_LINENO[0]} ${BASH_SOURCE[1]}" `+name+` "$@" `+endMark+` >>`+recCalls+` || _fwc_w `+name+` "$@" || return`,
			`_fwc_w `+name+` "$@" || return`) + "}\n"
}

// bashCommands run a program in the place of a function of its name: with a
// slash more no function has it. "builtin command" would do, but under set -e
// it ends the shell even where a failure is looked at.
const bashCommands = `_fwc_run() {
  local _fwc_d _fwc_e
  case $1 in
  /*) "/$@"; return ;;
  */*) "$@"; return ;;
  esac
  _fwc_d=${PATH-}:
  while [ -n "$_fwc_d" ]; do
    _fwc_e=${_fwc_d%%%%:*}
    _fwc_e=${_fwc_e:-.}/$1
    if [ -f "$_fwc_e" ] && [ -x "$_fwc_e" ]; then
      shift
      set -- "$_fwc_e" "$@"
      case $1 in /*) "/$@" ;; *) "$@" ;; esac
      return
    fi
    _fwc_d=${_fwc_d#*:}
  done
  (unset -f "$1"; "$@")
}
_fwc_ask() (
  unset -f %s command type hash
  builtin "$@"
)
command() {
  case ${1-} in
  -*[vV]*) _fwc_ask command "$@" ;;
  ''|-*) builtin command "$@" ;;
  *)
    case $(builtin type -at -- "$1" 2>/dev/null) in
    *builtin*) builtin "$@" ;;
    *) _fwc_run "$@" || return ;;
    esac ;;
  esac
}
type() { _fwc_ask type "$@"; }
hash() {
  case ${1-} in
  -*p*) unset -f -- "${@: -1}" ;;
  esac
  builtin hash "$@"
}
`
