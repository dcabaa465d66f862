//go:build host

package command

import (
	"context"
	"os"
	"slices"
	"strconv"
	"time"
)

// Command is one command of an App.
type Command struct {
	Name        string
	Usage       string // what it does, in a line
	ArgsUsage   string
	Description string
	Flags       []Flag
	Action      func(*Context) error
}

// Flag is a StringFlag, BoolFlag, DurationFlag or StringSliceFlag.
type Flag interface{ common() flag }

// flag is what flags have in common.
type flag struct {
	name, usage, def string
	env              []string
	required, isBool bool
	check            func(*Context, string) error // of a value, before the command runs; or nil
}

// StringFlag takes a string.
type StringFlag struct {
	Name     string
	Usage    string // with the name of the value in backquotes
	Value    string // the default
	EnvVars  []string
	Required bool
	Action   func(*Context, string) error
}

// BoolFlag takes no value, or =true or =false.
type BoolFlag struct {
	Name, Usage string
}

// DurationFlag takes what time.ParseDuration reads.
type DurationFlag struct {
	Name, Usage string
	Value       time.Duration
}

// StringSliceFlag may be given several times.
type StringSliceFlag struct {
	Name, Usage string
}

func (f *StringFlag) common() flag {
	return flag{name: f.Name, usage: f.Usage, def: f.Value, env: f.EnvVars, required: f.Required, check: f.Action}
}

func (f *BoolFlag) common() flag {
	return flag{name: f.Name, usage: f.Usage, isBool: true, check: func(_ *Context, v string) error {
		_, err := strconv.ParseBool(v)
		return invalid(f.Name, v, err)
	}}
}

func (f *DurationFlag) common() flag {
	def := ""
	if f.Value != 0 {
		def = f.Value.String()
	}
	return flag{name: f.Name, usage: f.Usage, def: def, check: func(_ *Context, v string) error {
		_, err := time.ParseDuration(v)
		return invalid(f.Name, v, err)
	}}
}

func (f *StringSliceFlag) common() flag { return flag{name: f.Name, usage: f.Usage} }

func invalid(name, value string, err error) error {
	if err == nil {
		return nil
	}
	return usagef("invalid value %q for flag -%s: %v", value, name, err)
}

// Context is one run of a command: its flags and arguments.
type Context struct {
	Context context.Context
	Command *Command

	values map[string][]string // of the flags that were given
	args   Args
}

// Args are the arguments that are no flags.
type Args []string

// First returns the first argument, or "".
func (a Args) First() string {
	if len(a) == 0 {
		return ""
	}
	return a[0]
}

// Present says whether there is an argument.
func (a Args) Present() bool { return len(a) > 0 }

// Slice returns a copy of the arguments.
func (a Args) Slice() []string { return slices.Clone(a) }

// Args returns the arguments.
func (c *Context) Args() Args { return c.args }

// NArg returns how many arguments there are.
func (c *Context) NArg() int { return len(c.args) }

// IsSet says whether a flag was given, on the command line or in the
// environment.
func (c *Context) IsSet(name string) bool {
	_, ok := c.lookup(name)
	return ok
}

// String returns the value of a flag, or its default.
func (c *Context) String(name string) string {
	if v, ok := c.lookup(name); ok {
		return v[len(v)-1]
	}
	for _, f := range c.Command.Flags {
		if f := f.common(); f.name == name {
			return f.def
		}
	}
	return ""
}

// Bool returns the value of a BoolFlag.
func (c *Context) Bool(name string) bool {
	v, _ := strconv.ParseBool(c.String(name))
	return v
}

// Duration returns the value of a DurationFlag.
func (c *Context) Duration(name string) time.Duration {
	d, _ := time.ParseDuration(c.String(name))
	return d
}

// StringSlice returns the values of a StringSliceFlag.
func (c *Context) StringSlice(name string) []string {
	var out []string
	given, _ := c.lookup(name)
	return append(out, given...)
}

// lookup returns the values of a flag on the command line, else in the first
// of its environment variables that is not empty.
func (c *Context) lookup(name string) ([]string, bool) {
	if v, ok := c.values[name]; ok {
		return v, true
	}
	for _, f := range c.Command.Flags {
		if f := f.common(); f.name == name {
			for _, env := range f.env {
				if v := os.Getenv(env); v != "" {
					return []string{v}, true
				}
			}
		}
	}
	return nil, false
}
