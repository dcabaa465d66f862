//go:build host

package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// App is a program of several commands.
type App struct {
	Name      string
	Usage     string
	UsageText string
	Version   string
	Writer    io.Writer // for help
	Commands  []*Command
}

// UsageError is wrong usage of the command line.
type UsageError struct{ Msg string }

// Error returns what is wrong.
func (e *UsageError) Error() string { return e.Msg }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Run runs the command that args, the first of which is the program's name, ask
// for. Wrong usage is a *UsageError.
func (a *App) Run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		a.help()
		return nil
	}
	switch args[1] {
	case "help", "-h", "-help", "--help":
		a.help()
		return nil
	case "-v", "-version", "--version":
		fmt.Fprintf(a.Writer, "%s version %s\n", a.Name, a.Version)
		return nil
	}
	for _, c := range a.Commands {
		if c.Name == args[1] {
			return a.run(&Context{Context: ctx, Command: c, values: map[string][]string{}}, args[2:])
		}
	}
	if strings.HasPrefix(args[1], "-") {
		return usagef("flag provided but not defined: %s", args[1])
	}
	return usagef("unknown command %q", args[1])
}

func (a *App) run(c *Context, words []string) error {
	help, err := c.parse(words)
	if err != nil {
		return err
	}
	if help {
		a.commandHelp(c.Command)
		return nil
	}
	for _, f := range c.Command.Flags {
		f := f.common()
		given, ok := c.lookup(f.name)
		if f.required && !ok {
			return usagef("Required flag %q not set", f.name)
		}
		for _, v := range given {
			if f.check == nil {
				break
			}
			if err := f.check(c, v); err != nil {
				return err
			}
		}
	}
	return c.Command.Action(c)
}

// parse sorts the words into flags and arguments, in any order, and says
// whether help is wanted. What follows "--" is an argument.
func (c *Context) parse(words []string) (help bool, err error) {
	flags := map[string]flag{}
	for _, f := range c.Command.Flags {
		flags[f.common().name] = f.common()
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "--" {
			c.args = append(c.args, words[i+1:]...)
			break
		}
		if len(w) < 2 || w[0] != '-' {
			c.args = append(c.args, w)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(w[1:], "-"), "=")
		if name == "h" || name == "help" {
			return true, nil
		}
		f, ok := flags[name]
		switch {
		case !ok:
			return false, usagef("flag provided but not defined: -%s", name)
		case hasValue:
		case f.isBool:
			value = "true"
		case i+1 == len(words):
			return false, usagef("flag needs an argument: -%s", name)
		default:
			i++
			value = words[i]
		}
		c.values[name] = append(c.values[name], value)
	}
	return false, nil
}

func (a *App) help() {
	fmt.Fprintf(a.Writer, "NAME:\n   %s - %s\n\nUSAGE:\n   %s\n\nVERSION:\n   %s\n\nCOMMANDS:\n",
		a.Name, a.Usage, indent(a.UsageText), a.Version)
	w := tabwriter.NewWriter(a.Writer, 0, 8, 2, ' ', 0)
	for _, c := range a.Commands {
		fmt.Fprintf(w, "   %s\t%s\n", c.Name, c.Usage)
	}
	fmt.Fprintf(w, "\nGLOBAL OPTIONS:\n   --help, -h\tshow help\n   --version, -v\tprint the version\n")
	_ = w.Flush()
}

func (a *App) commandHelp(c *Command) {
	fmt.Fprintf(a.Writer, "NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s [options] %s\n\n",
		a.Name, c.Name, c.Usage, a.Name, c.Name, c.ArgsUsage)
	if c.Description != "" {
		fmt.Fprintf(a.Writer, "DESCRIPTION:\n   %s\n\n", indent(c.Description))
	}
	fmt.Fprintln(a.Writer, "OPTIONS:")
	w := tabwriter.NewWriter(a.Writer, 0, 8, 2, ' ', 0)
	for _, f := range c.Flags {
		fmt.Fprintf(w, "   %s\n", f.common().help())
	}
	fmt.Fprintf(w, "   --help, -h\tshow help\n")
	_ = w.Flush()
}

// help returns the flag with the name of its value, which stands in backquotes
// in its usage, and its default.
func (f flag) help() string {
	usage, value := f.usage, ""
	if before, rest, ok := strings.Cut(f.usage, "`"); ok {
		if name, after, ok := strings.Cut(rest, "`"); ok {
			usage, value = before+name+after, " "+name
		}
	}
	if value == "" && !f.isBool {
		value = " value"
	}
	if f.def != "" {
		usage += " (default: " + f.def + ")"
	}
	return "--" + f.name + value + "\t" + usage
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n   ") }
