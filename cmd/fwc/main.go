// Command fwc compiles firewall scripts into signed artifacts, shows what
// changed between two, and applies one to a host.
package main

import (
	"os"

	"github.com/fwc-dev/fwc/internal/cli"
	"github.com/fwc-dev/fwc/internal/netns"
)

func main() {
	netns.Main() // does not return in a process that stages a script
	os.Exit(cli.Main())
}
