package compiler

import "strings"

// modules returns what a call of modprobe(8) asks for, in the kernel's
// spelling: the first name, whose parameters follow, or with -a all of them.
// One that removes or shows asks for nothing.
func (c *Call) modules() []string {
	var names []string
	all := false
	for i := 0; i < len(c.Args); i++ {
		switch a := c.Args[i]; a {
		case "-a", "--all":
			all = true
		case "-r", "--remove", "-n", "--dry-run", "--show", "-R", "--resolve-alias", "-c", "--showconfig",
			"-D", "--show-depends", "-V", "--version", "-h", "--help", "--dump-modversions":
			return nil
		case "-C", "--config", "-d", "--dirname", "-S", "--set-version":
			i++
		default:
			if a == "" || a[0] == '-' {
				continue
			}
			names = append(names, strings.ReplaceAll(a, "-", "_"))
		}
	}
	if !all && len(names) > 1 {
		names = names[:1]
	}
	return names
}
