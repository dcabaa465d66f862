package compiler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Beside the firewall's own tools a script calls others that staging gives in
// another form: some are run and noted, since they change what no artifact
// holds; some are not run, since there is no init, no log and no user to
// become; some are given where the host lacks them.

// noted are run as they are, and their calls noted.
var noted = []string{"ip", "ifconfig", "route", "tc", "brctl", "vconfig", "sysctl"}

// stub is a program that stands for another.
type stub struct {
	names []string
	text  string
	lack  bool // only where there is no such program
}

// noteStub begins the stubs whose calls are noted.
const noteStub = "#!/bin/sh\n" +
	`printf '%s\0' call 0 "$PPID" "${FWC_LINE-}" "" "$0" "" "$#" "$@" "" 2>/dev/null >>` + shimLog + "\n"

// stubs by what they do. Exit statuses are those of the real ones where there
// is nothing to talk to: systemctl(1), "Exit status"; firewall-cmd(1); the LSB
// init scripts' status 3, "program is not running".
var stubs = []stub{
	{names: []string{"insmod", "rmmod", "depmod"}, text: noteStub},
	{names: []string{"lsmod"}, lack: true, text: "#!/bin/sh\necho 'Module                  Size  Used by'\n[ ! -r /proc/modules ] || cut -d' ' -f1-4 /proc/modules\n"},
	{names: []string{"systemctl"}, text: noteStub + `for a; do
  case $a in
  -*) ;;
  is-active|status) echo inactive; exit 3 ;;
  is-enabled) echo disabled; exit 1 ;;
  is-failed) exit 1 ;;
  *) exit 0 ;;
  esac
done
`},
	{names: []string{"service", "invoke-rc.d", "rc-service", "initctl"}, text: noteStub + `case "$*" in *status*) exit 3 ;; esac
exit 0
`},
	{names: []string{"chkconfig", "update-rc.d", "rc-update", "netfilter-persistent"}, text: noteStub},
	{names: []string{"logger"}, text: `#!/bin/sh
while getopts isSdTenPu:f:p:t:A o 2>/dev/null; do :; done
shift $((OPTIND-1))
[ $# -gt 0 ] || cat >/dev/null
exit 0
`},
	{names: []string{"sudo", "doas"}, text: sudoStub},
	{names: []string{"firewall-cmd"}, text: noteStub + "case $* in *--state*) echo 'not running' ;; *--reload*) exit 0 ;; *) echo 'FirewallD is not running' >&2 ;; esac\nexit 252\n"},
	{names: []string{"ufw"}, lack: true, text: noteStub + `for a; do
  case $a in
  -*) ;;
  disable|reload|reset|stop|logging) exit 0 ;;
  status) echo 'Status: inactive'; exit 0 ;;
  *) break ;;
  esac
done
echo 'ufw: not installed on the build host' >&2
exit 127
`},
}

// sudoStub runs the rest: the script is root already.
const sudoStub = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
  --) shift; break ;;
  -u|-g|-h|-p|-C|-r|-t|-T|-U|-D|-R|-a) shift 2 || exit 1 ;;
  -v|-k|-K|-l|--validate|--list) exit 0 ;;
  -i|-s|--login|--shell) shift; [ $# -gt 0 ] || exec /bin/sh; exec /bin/sh -c "$*" ;;
  -*) shift ;;
  *=*) export "$1"; shift ;;
  *) break ;;
  esac
done
[ $# -gt 0 ] || exit 1
exec "$@"
`

// functionFiles are what init scripts read first, where the host has none.
var functionFiles = map[string]string{
	"/etc/init.d/functions":      functionsText,
	"/etc/rc.d/init.d/functions": functionsText,
	"/lib/lsb/init-functions":    functionsText,
}

// functionsText has the functions of the two: those of initscripts, and those
// of LSB.
const functionsText = `action() { s=$1; shift; "$@"; r=$?; [ $r -eq 0 ] && echo "$s OK" || echo "$s FAILED"; return $r; }
success() { :; }
passed() { :; }
warning() { :; }
failure() { return "${1:-1}"; }
echo_success() { echo OK; }
echo_failure() { echo FAILED; return 1; }
echo_warning() { echo WARNING; return 1; }
echo_passed() { echo PASSED; return 1; }
status() { echo "$1 is stopped"; return 3; }
daemon() { :; }
killproc() { :; }
checkpid() { return 1; }
pidofproc() { return 3; }
pidfileofproc() { return 3; }
start_daemon() { :; }
strstr() { case $1 in *"$2"*) return 0 ;; esac; return 1; }
confirm() { return 0; }
log_success_msg() { echo "$@"; }
log_failure_msg() { echo "$@" >&2; }
log_warning_msg() { echo "$@" >&2; }
log_daemon_msg() { echo "$*"; }
log_progress_msg() { echo "$*"; }
log_begin_msg() { echo "$*"; }
log_action_msg() { echo "$*"; }
log_action_begin_msg() { echo "$*"; }
log_action_cont_msg() { echo "$*"; }
log_action_end_msg() { return "${1:-0}"; }
log_end_msg() { return "${1:-0}"; }
`

// stubs puts them into place. It runs in the base, after install.
func (s *shims) stubs() error {
	places := programPlaces()
	for _, name := range noted {
		if err := s.noted(name, found(places, name)); err != nil {
			return err
		}
	}
	for _, st := range stubs {
		for _, name := range st.names {
			if err := s.stub(name, st, found(places, name)); err != nil {
				return err
			}
		}
	}
	for path, text := range functionFiles {
		full := filepath.Join(s.root, path)
		if _, err := os.Stat(full); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			continue // a system that has other things in these places
		}
		_ = os.WriteFile(full, []byte(text), 0o644)
	}
	return nil
}

// programPlaces are the directories of programs, each once.
func programPlaces() []string {
	var dirs []string
	for _, dir := range programDirs {
		if real, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(dirs, real) {
			dirs = append(dirs, real)
		}
	}
	return dirs
}

// found returns those of some directories that have a program.
func found(places []string, name string) []string {
	var dirs []string
	for _, dir := range places {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// stub replaces a program in the directories that have it, and gives one where there is none.
func (s *shims) stub(name string, st stub, dirs []string) error {
	if len(dirs) > 0 && st.lack {
		return nil
	}
	if len(dirs) == 0 {
		dirs = []string{"/usr/sbin"}
		if err := os.MkdirAll(filepath.Join(s.root, dirs[0]), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	for _, dir := range dirs {
		if err := s.place(filepath.Join(s.root, dir, name), st.text); err != nil {
			s.notes = append(s.notes, fmt.Sprintf("%s/%s is the host's own: %v", dir, name, err))
		}
	}
	return nil
}

// noted puts a script before a program that runs it and notes the call.
func (s *shims) noted(name string, dirs []string) error {
	for i, dir := range dirs {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		bin, err := s.copy(file)
		if err != nil {
			return fmt.Errorf("copy %s: %w", file, err)
		}
		// Programs of many names look at the one they are called by.
		real := fmt.Sprintf("%s/noted%d", shimReal, i)
		if err := os.MkdirAll(filepath.Join(s.root, real), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(bin, filepath.Join(s.root, real, name)); err != nil {
			return err
		}
		if err := s.place(filepath.Join(s.root, dir, name), notedText(filepath.Join(real, name))); err != nil {
			s.notes = append(s.notes, fmt.Sprintf("calls of %s/%s are not noted: %v", dir, name, err))
		}
	}
	return nil
}

// notedText runs a program with its standard error read, see shimText.
func notedText(real string) string {
	return `#!/bin/sh
{ e=$(` + real + ` "$@" 2>&1 >&3 3>&-) && s=0 || s=$?; } 3>&1
[ -n "$s" ] || exec ` + real + ` "$@"
[ -z "$e" ] || printf '%s\n' "$e" >&2
printf '%s\0' call "$s" "$PPID" "${FWC_LINE-}" "" "$0" "" "$#" "$@" "$e" 2>/dev/null >>` + shimLog + `
exit "$s"
`
}
