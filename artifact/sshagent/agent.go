// Package sshagent signs artifacts with a key that ssh-agent(1) holds, so that
// the private key never enters the process: it may be in an agent on another
// machine, forwarded, or in hardware behind one.
//
// An agent signs the message itself with Ed25519 (RFC 8709) or ECDSA P-256 (RFC
// 5656), which is what an artifact's signature is. Keys of type sk-*, RSA and
// others cannot sign artifacts.
package sshagent

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/fwc-dev/fwc/artifact"
)

// ErrNoKey says that the agent does not hold a key that was asked for.
var ErrNoKey = errors.New("the ssh agent does not hold the key")

// Agent is a connection to an agent. Close it.
type Agent struct {
	conn   net.Conn
	client agent.Agent
}

// Dial connects to the agent behind a socket; "" stands for SSH_AUTH_SOCK.
func Dial(socket string) (*Agent, error) {
	if socket == "" {
		socket = os.Getenv("SSH_AUTH_SOCK")
	}
	if socket == "" {
		return nil, errors.New("no ssh agent: SSH_AUTH_SOCK is not set")
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("ssh agent: %w", err)
	}
	return &Agent{conn: conn, client: agent.NewClient(conn)}, nil
}

// Close ends the connection; signers of it no longer work.
func (a *Agent) Close() error { return a.conn.Close() }

// Signer is a key that the agent holds. It is an artifact.Signer.
type Signer struct {
	// Comment is what the agent calls the key.
	Comment string

	client agent.Agent
	key    ssh.PublicKey
	public artifact.PublicKey
}

// Signers returns the agent's keys that can sign artifacts.
func (a *Agent) Signers() ([]*Signer, error) {
	keys, err := a.client.List()
	if err != nil {
		return nil, fmt.Errorf("ssh agent: %w", err)
	}
	var signers []*Signer
	for _, k := range keys {
		key, err := ssh.ParsePublicKey(k.Blob)
		if err != nil {
			continue // of a type that this library does not know
		}
		if public, err := publicKey(key); err == nil {
			signers = append(signers, &Signer{Comment: k.Comment, client: a.client, key: key, public: public})
		}
	}
	return signers, nil
}

// Find returns the agent's key that belongs to a public key, or an error that
// wraps ErrNoKey.
func (a *Agent) Find(public artifact.PublicKey) (*Signer, error) {
	signers, err := a.Signers()
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if s.public.Equal(public) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w %s", ErrNoKey, public)
}

// Public returns the key that verifies.
func (s *Signer) Public() artifact.PublicKey { return s.public }

// Sign has the agent sign the message.
func (s *Signer) Sign(message []byte) ([]byte, error) {
	sig, err := s.client.Sign(s.key, message)
	if err != nil {
		return nil, fmt.Errorf("ssh agent: %w", err)
	}
	if s.key.Type() == ssh.KeyAlgoED25519 {
		return sig.Blob, nil
	}
	// RFC 5656, section 3.1.2: two multiple precision integers.
	var rs struct{ R, S *big.Int }
	if err := ssh.Unmarshal(sig.Blob, &rs); err != nil {
		return nil, fmt.Errorf("ssh agent: signature: %w", err)
	}
	return asn1.Marshal(rs)
}

// ParsePublicKey reads a key as ssh-keygen(1) writes it to a .pub file, such as
// "ssh-ed25519 AAAA… comment". Its PEM method then gives what hosts trust.
func ParsePublicKey(text []byte) (artifact.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return artifact.PublicKey{}, err
	}
	return publicKey(key)
}

func publicKey(key ssh.PublicKey) (artifact.PublicKey, error) {
	if t := key.Type(); t != ssh.KeyAlgoED25519 && t != ssh.KeyAlgoECDSA256 {
		return artifact.PublicKey{}, fmt.Errorf("a key of type %s cannot sign artifacts; ssh-ed25519 and ecdsa-sha2-nistp256 can", t)
	}
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return artifact.PublicKey{}, fmt.Errorf("a key of type %s cannot sign artifacts", key.Type())
	}
	return artifact.NewPublicKey(k.CryptoPublicKey())
}
