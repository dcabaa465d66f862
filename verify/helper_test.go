package verify

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testHost = Host{Now: testNow, Toolchain: ruleset.Toolchain{
	Kernel: "6.1.0-28-amd64", Arch: "x86_64", IPTables: "1.8.9", Backend: ruleset.NFT, IPSet: "7.17",
	ARPTables: "1.8.9", EBTables: "1.8.9", NFT: "1.0.6",
}}

func testKey(t testing.TB, n byte) *artifact.PrivateKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	k, err := artifact.NewPrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trustOf(signers ...*artifact.PrivateKey) Trust {
	var t Trust
	for i, s := range signers {
		t.Keys = append(t.Keys, Key{Name: "key" + string(rune('1'+i)), Public: s.Public()})
	}
	return t
}

// edit changes the manifest of a test artifact.
type edit func(*artifact.Manifest)

func serial(epoch, n uint64) edit {
	return func(m *artifact.Manifest) { m.Epoch, m.Serial = epoch, n }
}

// testFile returns an artifact for testHost, created an hour before testNow.
func testFile(t testing.TB, change edit, signers ...artifact.Signer) []byte {
	t.Helper()
	build, members := artifact.NewBuild(0, testHost.Toolchain, artifact.Accept{}, []ruleset.Dump{{
		Kind: ruleset.IPTables, Backend: ruleset.NFT,
		Text: []byte("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"),
	}})
	sum := sha256.Sum256(nil)
	m := &artifact.Manifest{
		Serial:  uint64(testNow.Unix()),
		Created: testNow.Add(-time.Hour),
		Script:  artifact.Script{Name: "fw.sh", SHA256: hex.EncodeToString(sum[:])},
		Builds:  []artifact.Build{build},
	}
	if change != nil {
		change(m)
	}
	data, err := artifact.Encode(m, members, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
