//go:build !host

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The shells ask fwc itself for words: cli.App answers a hidden last flag.
const bashCompletion = `_fwc() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	local -a line=("${COMP_WORDS[@]:0:COMP_CWORD}")
	[[ $cur == -* ]] && line+=("$cur")
	words=$("${line[@]}" --generate-bash-completion 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o bashdefault -o default -F _fwc fwc
`

const zshCompletion = `#compdef fwc
_fwc() {
	local -a opts line
	line=("${words[@]:0:#words[@]-1}")
	[[ $words[-1] == -* ]] && line+=("$words[-1]")
	opts=("${(@f)$("${line[@]}" --generate-bash-completion 2>/dev/null)}")
	[[ -n $opts[1] ]] && _describe fwc opts
	_files
}
compdef _fwc fwc
`

func completionCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "Examples:\n" +
			"  fwc completion bash > /etc/bash_completion.d/fwc\n" +
			"  fwc completion zsh > /usr/share/zsh/site-functions/_fwc\n" +
			"  fwc completion fish > ~/.config/fish/completions/fwc.fish",
		Action: func(c *cli.Context) error {
			switch shell := c.Args().First(); shell {
			case "bash":
				_, err := fmt.Fprint(s.Out, bashCompletion)
				return err
			case "zsh":
				_, err := fmt.Fprint(s.Out, zshCompletion)
				return err
			case "fish":
				script, err := c.App.ToFishCompletion()
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(s.Out, script)
				return err
			default:
				return usagef("completion wants bash, zsh or fish, not %q", shell)
			}
		},
	}
}
