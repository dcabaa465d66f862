//go:build !host

package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/fwc-dev/fwc/artifact"
	"golang.org/x/term"
)

const passphraseEnv = "FWC_KEY_PASSPHRASE"

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
