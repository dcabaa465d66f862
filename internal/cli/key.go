//go:build !host

package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

const passphraseEnv = "FWC_KEY_PASSPHRASE"

func keyFlag(required bool) cli.Flag {
	return &cli.StringFlag{
		Name: "key", EnvVars: []string{"FWC_KEY"}, Required: required,
		Usage: "sign with the private `KEY`: a file, or ssh-agent:NAME.pub for the key that ssh-agent holds " +
			"(NAME.pub as ssh-keygen or fwc write it; ssh-agent:COMMENT, and ssh-agent: for the only one, do too)",
	}
}

// trustedInputFlag is for commands that sign what others made.
func trustedInputFlag() cli.Flag {
	return &cli.StringFlag{Name: "trust", Usage: "take only what one of these public keys has signed: a `FILE|DIR`"}
}

// buildSigners returns the signer, or none if --unsigned says so on purpose.
// The caller calls done when it has signed.
func buildSigners(c *cli.Context, s Streams) (list []artifact.Signer, done func(), err error) {
	name, unsigned := c.String("key"), c.Bool("unsigned")
	switch {
	case unsigned && c.IsSet("key") && os.Getenv("FWC_KEY") == "":
		return nil, nil, usagef("--unsigned and --key exclude each other")
	case unsigned:
		return nil, func() {}, nil
	case name == "":
		return nil, nil, &hinted{usagef("no key to sign with"), "give --key KEY (fwc keygen makes one), or --unsigned on purpose"}
	}
	key, done, err := loadSigner(name, s)
	if err != nil {
		return nil, nil, err
	}
	return []artifact.Signer{key}, done, nil
}

// loadSigner returns the key that --key names. The caller calls done when it
// has signed.
func loadSigner(name string, s Streams) (key artifact.Signer, done func(), err error) {
	if which, ok := agentKey(name); ok {
		return loadAgentKey(which)
	}
	key, err = loadKey(name, s)
	return key, func() {}, err
}

// loadKey reads a private key. Its passphrase comes from FWC_KEY_PASSPHRASE,
// else from the terminal.
func loadKey(path string, s Streams) (*artifact.PrivateKey, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	key, err := artifact.ParsePrivateKey(text, func() ([]byte, error) {
		return passphrase(s, "passphrase of "+path+": ")
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

var errNoPassphrase = errors.New("the key needs a passphrase and there is no terminal to ask on")

func passphrase(s Streams, prompt string) ([]byte, error) {
	if v, ok := os.LookupEnv(passphraseEnv); ok {
		return []byte(v), nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, hintf(errNoPassphrase, "set %s", passphraseEnv)
	}
	defer tty.Close()
	fmt.Fprint(tty, prompt)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}
