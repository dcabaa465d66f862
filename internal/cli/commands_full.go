//go:build !host

package cli

import "github.com/fwc-dev/fwc/internal/command"

func builderCommands(s Streams) []*command.Command {
	return []*command.Command{
		buildCommand(s), diffCommand(s), lintCommand(s), testCommand(s), keygenCommand(s), signCommand(s), bundleCommand(s), traceCommand(s), completionCommand(s),
	}
}

const appUsageText = "fwc build script.sh -o fw.artifact    in pipelines\n" +
	"fwc diff old new                      in pull request reviews\n" +
	"fwc apply fw.artifact                 on hosts"
