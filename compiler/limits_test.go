package compiler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMisbehaviour runs scripts that take too much.
func TestMisbehaviour(t *testing.T) {
	tests := []struct {
		name, script string
		timeout      time.Duration
		kind, err    string
		check        func(t *testing.T, o outcome)
	}{
		{
			name: "hang", script: "iptables -A INPUT -j DROP\nwhile :; do :; done\n", timeout: time.Second,
			kind: "timeout", err: "fw.sh: the script did not end within 1s, its last firewall call was at fw.sh:1",
		},
		{
			name: "deaf", script: "#!/bin/bash\ntrap '' TERM INT HUP\nsleep 1000 & wait\nwhile :; do sleep 1000; done\n", timeout: time.Second,
			kind: "timeout", err: "fw.sh: the script did not end within 1s",
		},
		{
			name: "fork bomb", script: "bomb() { bomb | bomb & }\nbomb\nsleep 1\n", timeout: 20 * time.Second,
		},
		{
			name: "memory", script: "iptables -A INPUT -j DROP\nperl -e '$x = \"a\" x 3_000_000_000' 2>/dev/null || exit 1\n",
			timeout: 30 * time.Second, kind: "script", err: "fw.sh: the script ended with exit status 1",
		},
		{
			name: "memory of many", script: "for i in 1 2 3 4 5 6; do\n\tperl -e '$x = \"a\" x 50_000_000; sleep 100' &\ndone\nwait\n",
			timeout: 30 * time.Second, kind: "script",
			err: "fw.sh: the script was ended by a signal: killed: it held more than 200 MB of memory, or 1000 processes",
		},
		{
			name: "memory that is shared", script: "python3 -c 'import mmap, time; m = mmap.mmap(-1, 210 << 20); m.write(b\"x\" * (210 << 20)); time.sleep(100)'\n",
			timeout: 30 * time.Second, kind: "script",
			err: "fw.sh: the script was ended by a signal: killed: it held more than 200 MB of memory, or 1000 processes",
		},
		{
			name: "disk", script: "dd if=/dev/zero of=/tmp/x bs=1M count=300 2>/dev/null && echo one\n" +
				"for i in 1 2 3; do dd if=/dev/zero of=/tmp/$i bs=1M count=200 2>/dev/null || echo full; done\nexit 0\n",
			timeout: 30 * time.Second,
			check: func(t *testing.T, o outcome) {
				if strings.Contains(o.Stdout, "one") || !strings.Contains(o.Stdout, "full") {
					t.Errorf("a file of 300 MB, or three of 200: %q", o.Stdout)
				}
			},
		},
		{
			name: "endless output", script: "iptables -A INPUT -j DROP\necho begin\nyes | head -c 300000000\necho end\n", timeout: 60 * time.Second,
			check: func(t *testing.T, o outcome) {
				if len(o.Stdout) > DefaultMaxOutput+100 || !strings.HasPrefix(o.Stdout, "begin\ny\n") || !strings.HasSuffix(o.Stdout, "y\nend\n") {
					t.Errorf("%d bytes of output, or not its ends", len(o.Stdout))
				}
				if len(o.Notes) != 1 || !strings.Contains(o.Notes[0], "bytes of the script's output were left out") {
					t.Errorf("notes: %q", o.Notes)
				}
			},
		},
		{
			name: "reads for ever", script: "while ! read -r answer; do echo 'sure? '; done\n", timeout: time.Second,
			kind: "timeout", err: "fw.sh: the script did not end within 1s",
		},
		{
			name: "kills all", script: "kill -9 -1\nkill -9 1\nkill -TERM 1\nkill -SEGV 1\niptables -A INPUT -j DROP\n", timeout: 20 * time.Second,
			check: func(t *testing.T, o outcome) {
				if len(o.Calls) != 1 {
					t.Errorf("calls: %q", o.Calls)
				}
			},
		},
		{
			name:    "overflows the parser",
			script:  "iptables -A INPUT -j DROP\nexit\n" + strings.Repeat("$(( ", 500_000),
			timeout: 20 * time.Second,
			check: func(t *testing.T, o outcome) {
				if len(o.Notes) != 1 || !strings.Contains(o.Notes[0], "could not be told") {
					t.Errorf("notes: %q", o.Notes)
				}
			},
		},
		{
			name: "bends the record", script: "iptables -A INPUT -j DROP\nprintf 'junk\\0\\0' >> /.fwc/log\niptables -A INPUT -j DROP\n",
			timeout: 20 * time.Second, kind: "record", err: "fw.sh: the record of its firewall calls was changed: it cannot be read after 1 calls",
		},
		{
			name: "empties the record", script: "iptables -A INPUT -j DROP\niptables -nL >/dev/null\nsleep .1\n: >/.fwc/log\niptables -A INPUT -j DROP\n",
			timeout: 20 * time.Second, kind: "record", err: "fw.sh: the record of its firewall calls was changed: it became shorter",
		},
		{
			name: "replaces the record", script: "iptables -A INPUT -j DROP\ncp /.fwc/log /tmp/l\nmv /tmp/l /.fwc/log\n",
			timeout: 20 * time.Second, kind: "record", err: "fw.sh: the record of its firewall calls was changed: it is another file",
		},
	}
	for _, tt := range tests {
		for _, u := range users {
			t.Run(tt.name+"/"+u.name, func(t *testing.T) {
				t.Parallel()
				dir := project(t, map[string]string{"fw.sh": tt.script})
				begin := time.Now()
				o := runAs(t, u.cred, job{Script: "fw.sh", Dir: dir, Timeout: tt.timeout, Memory: 200 << 20})
				if d := time.Since(begin); d > tt.timeout+20*time.Second {
					t.Errorf("took %s", d)
				}
				if o.Kind != tt.kind || tt.err != "" && o.Err != tt.err {
					t.Errorf("%s error %q, want %s %q", o.Kind, o.Err, tt.kind, tt.err)
				}
				if tt.check != nil {
					tt.check(t, o)
				}
			})
		}
	}
}

// TestSource holds that what cannot be a script is refused before anything
// runs.
func TestSource(t *testing.T) {
	dir := project(t, map[string]string{
		"empty.sh":  "",
		"junk.sh":   "\x7fELF\x02\x01\x01\x00\x00",
		"crlf.sh":   "#!/bin/sh\r\niptables -A INPUT\r\n",
		"interp.sh": "#!/no/such/shell -e\n",
		"none.sh":   "#!\n",
		"secret.sh": "iptables -A INPUT -j DROP\n",
		"plain.sh":  "iptables -A INPUT -j DROP\n",
		"awk.sh":    "#!/usr/bin/env -S awk -f\nBEGIN { system(\"iptables -A INPUT -j DROP\") }\n",
	})
	if err := os.Chmod(filepath.Join(dir, "secret.sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "plain.sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nosuch.sh": "nosuch.sh: no such file",
		".":         ".: is a directory, not a script",
		"junk.sh":   "junk.sh: is a binary file, not a script",
		"crlf.sh":   `crlf.sh: its lines end in CR LF, so no system finds the interpreter "/bin/sh\r"`,
		"interp.sh": "interp.sh: its interpreter /no/such/shell is not on this host",
		"none.sh":   "none.sh: its #! line names no interpreter",
		"/dev/null": "/dev/null: is not a regular file",
		"secret.sh": "secret.sh: cannot be read: permission denied",
		"plain.sh":  "",
		"awk.sh":    "",
		"empty.sh":  "",
	} {
		o := runAs(t, users[1].cred, job{Script: name, Dir: dir})
		if o.Err != want {
			t.Errorf("%s: %q, want %q", name, o.Err, want)
		}
	}
}
