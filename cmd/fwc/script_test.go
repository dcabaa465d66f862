package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/cli"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

func TestMain(m *testing.M) {
	netns.Main()
	testscript.Main(m, map[string]func(){
		"fwc":  func() { os.Exit(cli.Main()) },
		"host": func() { os.Exit(host(os.Args[1:])) },
		// onpty is in pty_test.go.
		"onpty": func() { os.Exit(onpty(os.Args[1:])) },
	})
}

// host runs a command in a network namespace of its own: a throwaway host.
func host(args []string) int {
	code := 0
	err := netns.Do(func() error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
			return nil
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		return 125
	}
	return code
}

// TestScripts runs testdata/script: one behaviour a file, the real program.
func TestScripts(t *testing.T) {
	dir, err := filepath.Abs("../../testdata/script")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds:                commands,
	})
}

func setup(env *testscript.Env) error {
	env.Setenv("FWC_KEY_PASSPHRASE", "test")
	demo, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		return err
	}
	env.Setenv("DEMO", demo)
	env.Setenv("SOURCE_DATE_EPOCH", "1750000000")
	env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
	return nil
}

// condition knows [root].
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

var commands = map[string]func(*testscript.TestScript, bool, []string){
	"code":   code,
	"retool": retool,
}

// code runs a command that must end with an exit code: code 8 fwc build …
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s", args[1], got, args[0])
	}
}

// retool writes an artifact as another toolchain would have made it, or at
// another time, signed by KEY:
// retool OLD NEW KEY kernel=6.1.0-28-amd64 serial=7 not-after=2026-01-31T00:00:00Z …
func retool(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: retool OLD NEW KEY [FIELD=VALUE…]")
	}
	a, _, err := artifact.Inspect([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	key, err := artifact.ParsePrivateKey([]byte(ts.ReadFile(args[2])), func() ([]byte, error) { return []byte("test"), nil })
	ts.Check(err)
	m := *a.Manifest
	m.Builds = slices.Clone(m.Builds)
	tc := &m.Builds[0].Toolchain
	for _, arg := range args[3:] {
		field, value, _ := strings.Cut(arg, "=")
		switch field {
		case "kernel":
			tc.Kernel = value
		case "iptables":
			tc.IPTables = value
		case "backend":
			tc.Backend = ruleset.Backend(value)
		case "accept-kernel":
			m.Builds[0].Accept.Kernel = value
		case "serial":
			m.Serial, err = strconv.ParseUint(value, 10, 64)
		case "epoch":
			m.Epoch, err = strconv.ParseUint(value, 10, 64)
		case "created":
			m.Created, err = time.Parse(time.RFC3339, value)
		case "not-after":
			m.NotAfter, err = time.Parse(time.RFC3339, value)
		case "label":
			k, v, _ := strings.Cut(value, ":")
			m.Labels = map[string]string{k: v}
		default:
			ts.Fatalf("no field %q", field)
		}
		ts.Check(err)
	}
	data, err := artifact.Encode(&m, a.Members(), key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}
