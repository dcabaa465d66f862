// Package command is what a command line is made of: commands, their flags, and
// the context in which one runs.
//
// It is github.com/urfave/cli/v2, by other names. In the build for hosts (build
// tag host) the same names stand for the few of its features that the commands
// there use: cli draws text/template in, whose calls of methods by name keep
// every exported method in the program, a fifth of its size.
package command
