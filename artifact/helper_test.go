package artifact

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// testKey returns a key that is the same in every run.
func testKey(t testing.TB, n byte) *PrivateKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	k, err := NewPrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testECDSA(t testing.TB) *PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const testScript = "#!/bin/sh\niptables -A INPUT -p tcp --dport 22 -j ACCEPT\n"

// testContents returns a small manifest with its members.
func testContents() (*Manifest, []Member) {
	build, members := NewBuild(0, ruleset.Toolchain{
		Kernel: "6.1.0-28-amd64", Arch: "x86_64", IPTables: "1.8.9", Backend: ruleset.NFT, IPSet: "7.17",
		ARPTables: "1.8.9", EBTables: "1.8.9", NFT: "1.0.6",
	}, Accept{Kernel: ">= 6.1, < 6.2"}, []ruleset.Dump{
		{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte("*filter\n:INPUT DROP [0:0]\n" +
			":FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n")},
		{Kind: ruleset.IPSet, Text: []byte("create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s 192.0.2.1\n")},
		{Kind: ruleset.SysctlSet, Text: []byte("net.ipv4.ip_forward = 1\n")},
	})
	members = append(members, Member{Name: ScriptMember, Data: []byte(testScript)})
	return &Manifest{
		Serial:   1700000000,
		Created:  time.Unix(1700000000, 0),
		NotAfter: time.Unix(1800000000, 0),
		Labels:   map[string]string{"role": "web", "site": "fra1"},
		Script:   Script{Name: "fw.sh", SHA256: hexDigest([]byte(testScript))},
		Builds:   []Build{build},
		Modules:  []string{"nf_conntrack", "ip_set_hash_ip"},
	}, members
}

func testFile(t testing.TB, signers ...Signer) []byte {
	t.Helper()
	m, members := testContents()
	data, err := Encode(m, members, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
