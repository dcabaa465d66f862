//go:build !host

package cli

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/artifact/sshagent"
)

// agentKey returns which key of ssh-agent a --key names, if it names one.
func agentKey(name string) (which string, ok bool) {
	return strings.CutPrefix(name, "ssh-agent:")
}

// loadAgentKey returns a key that ssh-agent holds: that of the public key in a
// file NAME.pub, or the one with that comment, or, for "", the only one.
func loadAgentKey(which string) (artifact.Signer, func(), error) {
	var public *artifact.PublicKey
	if strings.HasSuffix(which, ".pub") {
		key, err := publicKeyFile(which)
		if err != nil {
			return nil, nil, err
		}
		public = &key
	}
	agent, err := sshagent.Dial("")
	if err != nil {
		return nil, nil, hintf(err, `start one and add the key: eval "$(ssh-agent)"; ssh-add KEY`)
	}
	key, err := chooseAgentKey(agent, which, public)
	if err != nil {
		agent.Close()
		return nil, nil, hintf(err, "ssh-add -L lists what it holds, ssh-add KEY adds one; Ed25519 and ECDSA P-256 can sign artifacts")
	}
	return key, func() { agent.Close() }, nil
}

func chooseAgentKey(agent *sshagent.Agent, which string, public *artifact.PublicKey) (artifact.Signer, error) {
	if public != nil {
		return agent.Find(*public)
	}
	keys, err := agent.Signers()
	if err != nil {
		return nil, err
	}
	var found []*sshagent.Signer
	for _, k := range keys {
		if which == "" || k.Comment == which {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0 && which == "":
		return nil, fmt.Errorf("%w: it holds none that can sign artifacts", sshagent.ErrNoKey)
	case len(found) == 0:
		return nil, fmt.Errorf("%w %s: that is no key's comment, and a file's name ends in .pub", sshagent.ErrNoKey, which)
	case len(found) > 1:
		return nil, fmt.Errorf("ssh-agent holds %d such keys: name one with ssh-agent:NAME.pub", len(found))
	}
	return found[0], nil
}

// publicKeyFile reads a public key as ssh-keygen or fwc write it.
func publicKeyFile(path string) (artifact.PublicKey, error) {
	text, err := readFile(path)
	if err != nil {
		return artifact.PublicKey{}, err
	}
	parse := sshagent.ParsePublicKey
	if strings.HasPrefix(string(text), "-----BEGIN") {
		parse = artifact.ParsePublicKey
	}
	key, err := parse(text)
	if err != nil {
		return artifact.PublicKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
