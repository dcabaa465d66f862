package compiler

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
)

// stageRewrite is a process that makes the copy of a script: see stageLines.
const stageRewrite = "rewrite"

func init() { netns.Register(stageRewrite, runRewrite) }

func runRewrite() int {
	debug.SetMaxStack(linesStack)
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 1
	}
	if _, err := os.Stdout.Write(rewrite(text)); err != nil {
		return 1
	}
	return 0
}

// rewriteTime bounds it.
const rewriteTime = 10 * time.Second

// copyOf returns the copy of the script that a POSIX shell is to run, nil for
// a script of another interpreter and one that is better run as it is.
func copyOf(ctx context.Context, src *source) []byte {
	if !posixShell(src.interp) || len(src.text) > maxShellFile {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rewriteTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = netns.Argv(stageRewrite)
	cmd.Env = []string{}
	cmd.Stdin = bytes.NewReader(src.text)
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	return out
}
