package compiler

// lineFile is what BASH_ENV names.
const lineFile = toolDir + "/lines.bash"

// linePrelude makes bash tell the line of each command in the environment of
// the programs it starts. The trace prompt is expanded before every command,
// and the arithmetic in it sets an exported variable; the trace itself goes
// nowhere. Functions in place of the tools would tell as much, but they show
// in command -v, type and set, and scripts look there.
const linePrelude = `exec {BASH_XTRACEFD}>/dev/null
export FWC_LINE=
PS4='$((FWC_LINE=LINENO))'
set -x
`
