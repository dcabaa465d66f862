package cli

import "github.com/urfave/cli/v2"

// commands are what every fwc has, and what this build of it has beside:
// hosts get one without compiler and reports (build tag host).
func commands(s Streams) []*cli.Command {
	return append(builderCommands(s),
		showCommand(s), verifyCommand(s), planCommand(s), applyCommand(s),
		rollbackCommand(s), statusCommand(s), historyCommand(s), completionCommand(s),
	)
}
