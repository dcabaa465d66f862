//go:build !host

package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeWord asks fwc for the words that may stand at the end of a command
// line: fwc __complete WORD… CURRENT. It never runs the command itself, which
// the completion of package cli does where a flag takes the asking for its
// value.
const completeWord = "__complete"

const bashCompletion = `_fwc() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	words=$("${COMP_WORDS[0]}" ` + completeWord + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o bashdefault -o default -F _fwc fwc
`

const zshCompletion = `#compdef fwc
_fwc() {
	local -a opts
	opts=("${(@f)$("$words[1]" ` + completeWord + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n $opts[1] ]]; then compadd -- $opts; else _files; fi
}
compdef _fwc fwc
`

const fishCompletion = `complete -c fwc -a '(fwc ` + completeWord + ` (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`

func completionCommand(s Streams) *cli.Command {
	scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "Examples:\n" +
			"  fwc completion bash > /etc/bash_completion.d/fwc\n" +
			"  fwc completion zsh > /usr/share/zsh/site-functions/_fwc\n" +
			"  fwc completion fish > ~/.config/fish/completions/fwc.fish",
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usagef("completion wants bash, zsh or fish")
			}
			_, err := fmt.Fprint(s.Out, script)
			return err
		},
	}
}

// complete returns the words that may take the place of the last of words.
// None means that a file or a free value stands there.
func complete(app *cli.App, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	last := len(words) - 1
	var out []string
	if last == 0 {
		for _, c := range app.Commands {
			out = append(out, c.Name)
		}
		return out
	}
	command := app.Command(words[0])
	switch {
	case command == nil:
		return nil
	case takesValue(command, words[last-1]):
		return choices(flagNamed(command, words[last-1]))
	case strings.HasPrefix(words[last], "-"):
		for _, f := range command.Flags {
			out = append(out, dashed(f.Names()[0]))
		}
		return append(out, "--help")
	case command.Name == "completion":
		return []string{"bash", "zsh", "fish"}
	}
	return nil
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// choices reads a flag's values out of its usage: "`FORMAT`: text, json".
func choices(f cli.Flag) []string {
	s, ok := f.(*cli.StringFlag)
	if !ok {
		return nil
	}
	_, list, ok := strings.Cut(s.Usage, "`: ")
	if !ok {
		return nil
	}
	var out []string
	for v := range strings.SplitSeq(list, ", ") {
		if strings.Contains(v, " ") {
			return nil // a sentence
		}
		out = append(out, v)
	}
	return out
}
