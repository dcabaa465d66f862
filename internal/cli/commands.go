package cli

import "github.com/fwc-dev/fwc/internal/command"

// commands are what every fwc has, and what this build of it has beside:
// hosts get one without compiler and reports (build tag host).
func commands(s Streams) []*command.Command {
	return append(builderCommands(s),
		showCommand(s), verifyCommand(s), planCommand(s), applyCommand(s),
		confirmCommand(s), rollbackCommand(s), statusCommand(s), historyCommand(s), factsCommand(s), watchdogCommand(s),
	)
}

const (
	appName  = "fwc"
	appUsage = "compile firewall scripts into signed artifacts and apply them in one step"
)
