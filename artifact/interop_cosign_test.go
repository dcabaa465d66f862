//go:build interop

package artifact

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cosign returns the program that packaging/cosign.sh names or builds from the Go
// module proxy, which takes minutes, hence the build tag.
func cosign(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("../packaging/cosign.sh")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cosign: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestCosign: cosign 3 accepts what Open accepts, member by member and signer
// by signer, and refuses a flipped bit and another key. It reads our private
// keys, and we read its.
func TestCosign(t *testing.T) {
	tool := cosign(t)
	ed, ec := testKey(t, 1), testECDSA(t)
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		cmd := exec.Command(tool, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=fwc", "HOME="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	members, err := decodeContainer(testFile(t, ed, ec))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		write(m.Name, m.Data)
	}
	write("ed.pub", ed.Public().PEM())
	write("ec.pub", ec.Public().PEM())
	verify := func(key, bundle, member string) (string, error) {
		return run("verify-blob-attestation", "--key", key, "--insecure-ignore-tlog", "--bundle", bundle,
			"--type", PredicateType, member)
	}
	for i, key := range []string{"ed.pub", "ec.pub"} {
		other := []string{"ec.pub", "ed.pub"}[i]
		for _, m := range members[2:] {
			if out, err := verify(key, attestationName(i), m.Name); err != nil {
				t.Errorf("%s, %s: %v\n%s", key, m.Name, err, out)
			}
			bad := flipped(m.Data, 8*(len(m.Data)/2))
			write("bad", bad)
			if out, err := verify(key, attestationName(i), "bad"); err == nil {
				t.Errorf("%s accepts %s with a flipped bit:\n%s", key, m.Name, out)
			}
		}
		if out, err := verify(other, attestationName(i), members[2].Name); err == nil {
			t.Errorf("%s accepts the other's signature:\n%s", other, out)
		}
		write("bad.json", flipped(members[i].Data, 8*(len(members[i].Data)/2)))
		if out, err := verify(key, "bad.json", members[2].Name); err == nil {
			t.Errorf("%s accepts a flipped bit in the bundle:\n%s", key, out)
		}
	}
	// Our key in its hands, and its key in ours.
	for name, k := range map[string]*PrivateKey{"ed": ed, "ec": ec} {
		text, err := k.Encrypt([]byte("fwc"))
		if err != nil {
			t.Fatal(err)
		}
		write(name+".key", text)
		if out, err := run("public-key", "--key", name+".key", "--outfile", name+".out"); err != nil {
			t.Errorf("%s.key: %v\n%s", name, err, out)
		}
		public, err := os.ReadFile(filepath.Join(dir, name+".out"))
		if err != nil || string(public) != string(k.Public().PEM()) {
			t.Errorf("cosign reads another key from %s.key (%v)", name, err)
		}
	}
	if out, err := run("generate-key-pair", "--output-key-prefix", "theirs"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "theirs.key"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKey(text, func() ([]byte, error) { return []byte("fwc"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testFile(t, k), []PublicKey{k.Public()}, 1); err != nil {
		t.Error(err)
	}
}
