//go:build host

package cli

import "github.com/urfave/cli/v2"

func builderCommands(Streams) []*cli.Command { return nil }

func classifyBuilder(error) (int, string) { return 0, "" }
