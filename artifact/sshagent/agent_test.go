package sshagent_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/artifact/sshagent"
)

// serve runs an agent with those keys and returns its socket.
func serve(t *testing.T, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k, Comment: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { agent.ServeAgent(ring, conn); conn.Close() }()
		}
	}()
	return socket
}

func TestSign(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	old, _ := rsa.GenerateKey(rand.Reader, 2048)
	a, err := sshagent.Dial(serve(t, &ed, ec, p384, old))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	signers, err := a.Signers()
	if err != nil || len(signers) != 2 {
		t.Fatalf("%d signers, %v; want the Ed25519 and the P-256 key", len(signers), err)
	}
	var keys []artifact.PublicKey
	var list []artifact.Signer
	for _, s := range signers {
		found, err := a.Find(s.Public())
		if err != nil {
			t.Fatal(err)
		}
		keys, list = append(keys, s.Public()), append(list, found)
	}
	data, err := artifact.Encode(manifest(), []artifact.Member{{Name: "notes", Data: []byte("x")}}, list...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := artifact.Open(data, keys, 2); err != nil {
		t.Error(err)
	}
	other, err := artifact.GenerateKey(artifact.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Find(other.Public()); !errors.Is(err, sshagent.ErrNoKey) {
		t.Errorf("a key that it does not hold: %v", err)
	}
}

func manifest() *artifact.Manifest {
	b := artifact.Build{}
	b.Toolchain.Kernel, b.Toolchain.Arch = "6.1", "x86_64"
	return &artifact.Manifest{
		Created: time.Unix(1700000000, 0),
		Script:  artifact.Script{Name: "fw.sh", SHA256: strings.Repeat("0", 64)},
		Builds:  []artifact.Build{b},
	}
}

func TestDialErrors(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := sshagent.Dial(""); err == nil || !strings.Contains(err.Error(), "SSH_AUTH_SOCK is not set") {
		t.Errorf("%v", err)
	}
	if _, err := sshagent.Dial(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("connected to nothing")
	}
}

func TestParsePublicKey(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sshagent.ParsePublicKey(ssh.MarshalAuthorizedKey(key))
	if err != nil {
		t.Fatal(err)
	}
	want, err := artifact.NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(want.Public()) {
		t.Error("another key")
	}
	old, _ := rsa.GenerateKey(rand.Reader, 2048)
	rsaKey, _ := ssh.NewPublicKey(&old.PublicKey)
	for _, text := range []string{"", "x", string(ssh.MarshalAuthorizedKey(rsaKey))} {
		if _, err := sshagent.ParsePublicKey([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
