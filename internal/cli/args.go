//go:build !host

package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder moves a command's flags in front of its arguments, because package
// cli stops to look for flags at the first argument and people write
// "fwc build script.sh -o fw.artifact". Everything after "--" stays an
// argument: "fwc build -o fw.artifact script.sh -- -v" hands -v to the script.
//
// A last flag without its value is an error here: package cli would take the
// "--" for it.
func reorder(app *cli.App, args []string) ([]string, error) {
	at := slices.IndexFunc(args[min(1, len(args)):], func(a string) bool { return !strings.HasPrefix(a, "-") }) + 1
	if at == 0 {
		return args, nil
	}
	command := app.Command(args[at])
	if command == nil {
		return args, nil
	}
	var flags, rest []string
	words := args[at+1:]
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--":
			rest = append(rest, words[i+1:]...)
			i = len(words)
		case len(w) > 1 && w[0] == '-':
			flags = append(flags, w)
			if takesValue(command, w) {
				if i++; i == len(words) {
					return nil, usagef("%s needs a value", w)
				}
				flags = append(flags, words[i])
			}
		default:
			rest = append(rest, w)
		}
	}
	out := append(slices.Clone(args[:at+1]), flags...)
	if len(rest) > 0 {
		out = append(out, "--")
	}
	return append(out, rest...), nil
}

// takesValue says whether the word is a flag whose value is the next word.
func takesValue(command *cli.Command, word string) bool {
	d, ok := flagNamed(command, word).(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// flagNamed returns the flag that the word names, or nil: "--key", not
// "--key=ci.key" and not an argument.
func flagNamed(command *cli.Command, word string) cli.Flag {
	if !strings.HasPrefix(word, "-") {
		return nil
	}
	name := strings.TrimLeft(word, "-")
	for _, f := range command.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}
