// Package cli is fwc's command line: one file a command, which turns flags
// into options, calls a library and prints what it returns.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// Streams are a command's standard input, output and error. Results go to
// Out, talk goes to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Std are the streams of the process.
func Std() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Run runs fwc with args, the first of which is the program's name, and
// returns its exit code. An error has been written to s.Err.
func Run(ctx context.Context, args []string, s Streams) int {
	err := runApp(ctx, args, s)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	code, hint := classify(err)
	var quiet *quietError
	if !errors.As(err, &quiet) {
		fmt.Fprintf(s.Err, "fwc: error: %s\n", oneLine(err.Error()))
		if hint != "" {
			fmt.Fprintf(s.Err, "fwc: hint: %s\n", hint)
		}
	}
	return code
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// oneLine keeps an error to the one line that CLI users and log readers
// expect: what tools print over several lines is joined, and what could steer
// a terminal is escaped, since scripts and artifacts have their words in it.
func oneLine(s string) string {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return termsafe.String(strings.Join(fields, "; "))
}
