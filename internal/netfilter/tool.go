package netfilter

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// binDirs are searched after the caller's PATH: a user's PATH often lacks the
// sbin directories, where the tools are.
var binDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// lookup returns the path of a program, or a NoToolError.
func lookup(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), binDirs...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", &NoToolError{Tool: name}
}

// environ is what the programs see: messages in English, and nothing of the
// caller's that could change a dump.
func environ() []string {
	env := []string{"LC_ALL=C", "LANG=C", "TZ=UTC",
		"PATH=" + strings.Join(append(filepath.SplitList(os.Getenv("PATH")), binDirs...), ":")}
	for _, k := range []string{"XTABLES_LIBDIR", "XTABLES_LOCKFILE"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// lent is the context's key for a file that the programs hold open.
type lent struct{}

// Lend returns a context whose programs hold f open until they end: a lock on
// it then outlives this process as long as one of them runs.
func Lend(ctx context.Context, f *os.File) context.Context { return context.WithValue(ctx, lent{}, f) }

// process is a program that runs in the calling thread's namespaces.
type process struct {
	tool           string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts a program from the calling thread. Several may run at once:
// only the start depends on the thread.
func start(ctx context.Context, stdin []byte, path string, args ...string) (*process, error) {
	p := &process{tool: filepath.Base(path), cmd: exec.CommandContext(ctx, path, args...)}
	p.cmd.Env = environ()
	if holdsLegacy(ctx) {
		p.cmd.Env = append(p.cmd.Env, "XTABLES_LOCKFILE="+heldLock)
	}
	p.cmd.Stdin = bytes.NewReader(stdin)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = time.Second
	// A key typed at the terminal ends fwc, which then ends the program or lets
	// it put things back: not the program itself.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if f, ok := ctx.Value(lent{}).(*os.File); ok {
		p.cmd.ExtraFiles = []*os.File{f}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, &ToolError{Tool: p.tool, Args: args, Status: err.Error(), Err: err}
	}
	return p, nil
}

// wait waits for the end and returns a ToolError if it was not exit 0.
func (p *process) wait(ctx context.Context) error {
	err := p.cmd.Wait()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &ToolError{Tool: p.tool, Args: p.cmd.Args[1:], Status: err.Error(), Err: err,
		Stderr: strings.TrimSpace(p.stderr.String())}
	if e.Stderr == "" {
		// arptables-legacy and others talk to standard output.
		if out := strings.TrimSpace(p.stdout.String()); len(out) < 1000 {
			e.Stderr = out
		}
	}
	return e
}

// run runs a program to its end and returns its standard output and error.
func run(ctx context.Context, stdin []byte, path string, args ...string) (stdout, stderr []byte, err error) {
	p, err := start(ctx, stdin, path, args...)
	if err != nil {
		return nil, nil, err
	}
	err = p.wait(ctx)
	return p.stdout.Bytes(), p.stderr.Bytes(), err
}

// xtool returns the path of an xtables program of one backend: verb is "",
// "-save" or "-restore". Distributions that ship one backend only have the
// plain names alone; those serve where their -V tells the backend wanted.
func xtool(ctx context.Context, kind ruleset.Kind, backend ruleset.Backend, verb string) (string, error) {
	name := string(kind) + "-" + string(backend) + verb
	path, err := lookup(name)
	if err == nil {
		return path, nil
	}
	plain, perr := lookup(string(kind) + verb)
	if perr != nil {
		return "", err
	}
	base, perr := lookup(string(kind))
	if perr != nil {
		return "", err
	}
	_, b, perr := version(ctx, base, "-V")
	if perr != nil || b != backend {
		return "", err
	}
	return plain, nil
}

// isNoTool says whether err is a NoToolError.
func isNoTool(err error) bool {
	var e *NoToolError
	return errors.As(err, &e)
}
