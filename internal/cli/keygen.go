//go:build !host

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/artifact/sshagent"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/urfave/cli/v2"
)

func keygenCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:  "keygen",
		Usage: "make a key pair, NAME.key and NAME.pub",
		Description: "The private key is encrypted with a passphrase, from " + passphraseEnv + " or the terminal.\n" +
			"The format is cosign's. Put NAME.pub into /etc/fwc/trusted.d on hosts.\n\n" +
			"Examples:\n" +
			"  fwc keygen -o ci\n" +
			"  FWC_KEY_PASSPHRASE=… fwc keygen -o ci --algorithm ecdsa-p256\n" +
			"  fwc keygen --ssh ~/.ssh/id_ed25519.pub -o release   # release.pub alone, for a key that ssh-agent holds",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write `NAME`.key and NAME.pub", Required: true},
			&cli.StringFlag{Name: "ssh", Usage: "make no key, write NAME.pub of the public key in `FILE`, as ssh-keygen writes it"},
			&cli.StringFlag{Name: "algorithm", Value: string(artifact.Ed25519), Usage: "`ALGORITHM`: ed25519, ecdsa-p256"},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("keygen takes no argument: %q", c.Args().First())
			}
			if c.IsSet("ssh") {
				if c.IsSet("algorithm") {
					return usagef("--ssh and --algorithm exclude each other")
				}
				return convertSSH(s, c.String("ssh"), c.String("o"))
			}
			return keygen(s, c.String("o"), artifact.Algorithm(c.String("algorithm")))
		},
	}
}

func keygen(s Streams, name string, alg artifact.Algorithm) error {
	private, public := name+".key", name+".pub"
	if err := absent(private, public); err != nil {
		return err
	}
	if alg != artifact.Ed25519 && alg != artifact.ECDSAP256 {
		return usagef("--algorithm wants ed25519 or ecdsa-p256, not %q", alg)
	}
	if err := writable(private); err != nil {
		return err
	}
	pass, err := newPassphrase(s)
	if err != nil {
		return err
	}
	key, err := artifact.GenerateKey(alg)
	if err != nil {
		return err
	}
	text, err := key.Encrypt(pass)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(private, text, 0o600); err != nil {
		return err
	}
	if err := atomicfile.Write(public, key.Public().PEM(), 0o644); err != nil {
		_ = os.Remove(private) // one without the other is of no use
		return err
	}
	fmt.Fprintf(s.Err, "wrote %s (keep it secret) and %s (for /etc/fwc/trusted.d on hosts), key %s\n", private, public, key.Public().Hint())
	return nil
}

// convertSSH writes the form that hosts trust of a public key of ssh-keygen.
func convertSSH(s Streams, in, name string) error {
	out := name + ".pub"
	if err := absent(out); err != nil {
		return err
	}
	text, err := readFile(in)
	if err != nil {
		return err
	}
	key, err := sshagent.ParsePublicKey(text)
	if err != nil {
		return hintf(fmt.Errorf("%s: %w", in, err), "--ssh wants the .pub file of an Ed25519 or ECDSA P-256 key of ssh-keygen")
	}
	if err := atomicfile.Write(out, key.PEM(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "wrote %s (for /etc/fwc/trusted.d on hosts); sign with --key ssh-agent:%s\n", out, out)
	return nil
}

// absent returns an error if one of the files exists.
func absent(paths ...string) error {
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return hintf(fmt.Errorf("%s exists", path), "a key is never overwritten: choose another name")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return bare(err)
		}
	}
	return nil
}

// newPassphrase asks twice on a terminal, so that a slip locks nobody out.
func newPassphrase(s Streams) ([]byte, error) {
	first, err := passphrase(s, "new passphrase: ")
	if err != nil {
		return nil, err
	}
	if _, ok := os.LookupEnv(passphraseEnv); ok {
		if len(first) == 0 {
			return nil, hintf(errors.New(passphraseEnv+" is set and empty: that is no protection"), "give it the passphrase; is the secret of the pipeline there?")
		}
		return first, nil
	}
	second, err := passphrase(s, "again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passphrases differ")
	}
	return first, nil
}
