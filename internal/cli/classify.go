package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"syscall"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/verify"
)

// classify returns the exit code of an error and what to do next. Every error
// has a hint: the command to run, or where to look.
func classify(err error) (code int, hint string) {
	code, hint = exitFailure, "fwc --help lists the commands, --help after one explains it"
	for _, f := range []func(error) (int, string){
		classifyUsage, classifyBuilder, classifyApply, classifyTrust, classifySystem,
	} {
		if n, h := f(err); n != 0 {
			code, hint = n, h
			break
		}
	}
	var own *hinted
	if errors.As(err, &own) {
		hint = own.hint
	}
	return code, hint
}

// badDuration is a value that a duration flag does not take.
var badDuration = regexp.MustCompile(`^invalid value ".*" for flag -(?:confirm|timeout|check-timeout): `)

func classifyUsage(err error) (int, string) {
	var u *usage
	var q *quietError
	switch {
	case errors.As(err, &q):
		return q.code, ""
	case strings.HasPrefix(err.Error(), `Required flag "o" `):
		return exitUsage, "say where to write it: -o FILE"
	case badDuration.MatchString(err.Error()):
		return exitUsage, "a duration has its unit: 30s, 5m, 1h"
	case errors.As(err, &u), errors.Is(err, path.ErrBadPattern), strings.HasPrefix(err.Error(), "Required flag"):
		return exitUsage, "--help shows the flags and examples"
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted, "what had begun was undone; run it again"
	}
	return 0, ""
}

func classifyApply(err error) (int, string) {
	var foreign *apply.ForeignError
	var host *verify.HostError
	var trial *apply.TrialError
	var waiting *apply.WaitingError
	switch {
	case errors.As(err, &waiting):
		return exitBusy, "fwc confirm keeps it, fwc rollback goes back at once"
	case errors.Is(err, apply.ErrNothingWaits), errors.Is(err, apply.ErrTooLate):
		return exitFailure, "fwc status says what is applied; fwc apply FILE --confirm 60s begins a time to confirm"
	case errors.Is(err, apply.ErrNotRestored):
		return exitNotRestored, "look at the firewall now: iptables-save, fwc status; fwc rollback tries again"
	case errors.Is(err, apply.ErrUndone) && errors.As(err, new(*apply.CheckError)):
		return exitUndone, "the new firewall was in effect when --check refused it: does the check pass now, with the former one? --check-timeout gives it more time, fwc plan shows the change"
	case errors.Is(err, apply.ErrUndone) && fullDisk(err) != "":
		return exitUndone, fullDisk(err)
	case errors.Is(err, apply.ErrUndone):
		return exitUndone, "fwc plan shows what it would have changed"
	case errors.As(err, &trial) && errors.Is(err, netns.ErrNotPermitted):
		return exitFailure, "a trial load needs root"
	case errors.As(err, &trial):
		return exitUndone, "nothing was touched; build the artifact with this host's kernel and tools, or load the module that is missing"
	case errors.As(err, &foreign) && foreign.Rival != nil:
		return exitForeign, "one of the two: end its rule (" + foreign.Rival.Stop + "), or take the firewall over with --replace"
	case errors.As(err, &foreign):
		return exitForeign, "keep them with --keep NAME, of the chain that a rule is in, of the set or of the native table, or take the firewall over with --replace"
	case errors.As(err, &host):
		if len(host.Builds) == 0 {
			return exitHostMismatch, "the labels of this host are in its policy, lines label.KEY = VALUE"
		}
		if !host.Constraint() {
			return exitHostMismatch, "build on such a host: flags take another kernel or iptables version, nothing else"
		}
		return exitHostMismatch, "build on such a host, or accept others on purpose: --accept-kernel, --accept-iptables"
	case errors.Is(err, apply.ErrBusy), errors.Is(err, netfilter.ErrLocked), errors.Is(err, netfilter.ErrChanging):
		return exitBusy, "wait for the other program and run it again"
	case errors.Is(err, apply.ErrNoGeneration):
		return exitFailure, "fwc history lists the generations"
	case errors.Is(err, apply.ErrNoWayBack):
		return exitFailure, "take the firewall over with --replace: an apply that fails then cannot put that back"
	case errors.Is(err, apply.ErrState):
		return exitFailure, "move the state directory away to start afresh; the firewall itself is untouched"
	}
	return 0, ""
}

func classifyTrust(err error) (int, string) {
	var a *artifact.Error
	var v *verify.Error
	switch {
	case errors.As(err, &v):
		switch {
		case errors.Is(v.Kind, verify.ErrTrustRoot) && v.Hint == "":
			return exitUntrusted, "--trust wants a file NAME.pub of fwc keygen, or a directory of them"
		case errors.Is(v.Kind, verify.ErrPolicy) && v.Hint == "":
			return exitUntrusted, "correct the policy file; its keys are in the README"
		case v.Err != nil && fullDisk(v.Err) != "":
			return exitFailure, fullDisk(v.Err)
		case errors.Is(v.Kind, verify.ErrState) && v.Hint == "":
			return exitBusy, "run it again; if it stays so, look at the owner and mode of the state directory"
		case v.Hint != "":
			hint := v.Hint
			if errors.Is(v.Kind, verify.ErrConstraint) {
				return exitUsage, hint
			}
			return exitUntrusted, hint
		case errors.Is(v.Kind, verify.ErrConstraint):
			return exitUsage, "a constraint looks like '>= 6.1, < 6.2'"
		case errors.Is(v.Kind, verify.ErrOlder), errors.Is(v.Kind, verify.ErrSameSerial):
			return exitUntrusted, "build it again, or go back on purpose: fwc rollback, or --allow-older"
		}
		return exitUntrusted, "build and sign a new artifact"
	case errors.As(err, &a):
		switch a.Kind {
		case artifact.ErrKey:
			if !strings.Contains(a.Msg, "passphrase") {
				return exitFailure, "--key wants the private one, the file NAME.key that fwc keygen wrote"
			}
			return exitFailure, "is the passphrase right, and is it the file NAME.key that fwc keygen wrote?"
		case artifact.ErrUnsigned:
			return exitUntrusted, "sign it with fwc sign --key KEY, or take it on purpose with --insecure-unsigned"
		case artifact.ErrUntrusted:
			return exitUntrusted, "fwc show names its signers; keys that this host trusts belong into " + verify.DefaultTrust + " (or --trust)"
		case artifact.ErrSignature, artifact.ErrTrust:
			return exitUntrusted, "fwc show names its signers; the policy's threshold says how many keys must sign (fwc sign adds one)"
		case artifact.ErrVersion:
			return exitUntrusted, "this fwc is older than the artifact: upgrade it"
		}
		if a == errNoArtifact {
			return exitUntrusted, "this wants what fwc build writes, not a script or a raw dump; if it is that, fetch the file again"
		}
		return exitUntrusted, "fetch the file again from where it was built"
	}
	return 0, ""
}

// fullDisk returns the hint for a disk that cannot be written to, "" for another
// error.
func fullDisk(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on that file system"
	case errors.Is(err, syscall.EROFS):
		return "that file system is read-only: the kernel log may say why; mount -o remount,rw"
	}
	return ""
}

func classifySystem(err error) (int, string) {
	var tool *netfilter.NoToolError
	var mixed *netfilter.MixedError
	switch {
	case errors.As(err, &tool):
		return exitFailure, fmt.Sprintf("install it: apt-get install %s", tool.Package())
	case errors.As(err, &mixed):
		return exitFailure, "keep native rules in a table of another name: nft add table ip mine"
	case errors.Is(err, netns.ErrNotPermitted):
		return exitFailure, "run it as root"
	case fullDisk(err) != "":
		return exitFailure, fullDisk(err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EPERM):
		return exitFailure, "this needs other permissions: run it as root, or look at the file's owner and mode"
	case errors.Is(err, fs.ErrNotExist):
		return exitFailure, "look at the name and the directory"
	}
	return 0, ""
}
