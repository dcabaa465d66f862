//go:build host

package cli

import "github.com/fwc-dev/fwc/internal/command"

func builderCommands(Streams) []*command.Command { return nil }

func classifyBuilder(error) (int, string) { return 0, "" }

const appUsageText = "fwc verify fw.artifact --host\n" +
	"fwc apply fw.artifact\n" +
	"fwc status"
