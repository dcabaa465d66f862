package artifact

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shellClient verifies an artifact without a line of ours: tar, jq, openssl and
// sha256sum. Its arguments are the artifact and the public key.
const shellClient = `
set -euo pipefail
artifact=$(realpath "$1") key=$(realpath "$2")
cd "$(mktemp -d -p "$3")"
tar -xf "$artifact"
type=$(jq -re .dsseEnvelope.payloadType attestation.sigstore.json)
jq -re .dsseEnvelope.payload attestation.sigstore.json | base64 -d > payload
jq -re '.dsseEnvelope.signatures[0].sig' attestation.sigstore.json | base64 -d > sig
{ printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(stat -c %s payload)"; cat payload; } > pae
hint=$(openssl pkey -pubin -in "$key" -outform DER | openssl dgst -sha256 -binary | base64)
[ "$hint" = "$(jq -re .verificationMaterial.publicKey.hint attestation.sigstore.json)" ]
if openssl pkey -pubin -in "$key" -noout -text | grep -qi ed25519; then
	openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in pae -sigfile sig
else
	openssl dgst -sha256 -verify "$key" -signature sig pae
fi
[ "$(jq -r ._type payload)" = https://in-toto.io/Statement/v1 ]
[ "$(jq -r .predicateType payload)" = https://fwc.dev/artifact/v1 ]
jq -r '.subject[] | .digest.sha256 + "  " + .name' payload > sums
sha256sum --strict -c sums
diff <(jq -r '.subject[].name' payload) <(tar -tf "$artifact" | grep -v '^attestation\.')
`

// TestShellClient: bash, tar, jq, openssl and sha256sum agree with Open about a
// file, and about one with a flipped bit.
func TestShellClient(t *testing.T) {
	for _, tool := range []string{"bash", "tar", "jq", "openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is needed (Debian packages bash tar jq openssl coreutils)", tool)
		}
	}
	for name, k := range map[string]*PrivateKey{"ed25519": testKey(t, 1), "ecdsa": testECDSA(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := testFile(t, k)
			if out, err := runShellClient(t, data, k.Public()); err != nil {
				t.Fatalf("refused: %v\n%s", err, out)
			}
			if out, err := runShellClient(t, data, testKey(t, 9).Public()); err == nil {
				t.Errorf("accepted under another key:\n%s", out)
			}
			members, err := decodeContainer(data)
			if err != nil {
				t.Fatal(err)
			}
			off := 0
			for _, m := range members { // a bit in the middle of each member
				bit := 8*(off+blockSize+len(m.Data)/2) + 1
				off += blockSize + padded(len(m.Data))
				bad := flipped(data, bit)
				if _, err := Open(bad, []PublicKey{k.Public()}, 1); err == nil {
					t.Errorf("Open accepts a flipped bit in %s", m.Name)
				}
				if out, err := runShellClient(t, bad, k.Public()); err == nil {
					t.Errorf("the shell accepts a flipped bit in %s:\n%s", m.Name, out)
				}
			}
		})
	}
}

func runShellClient(t *testing.T, data []byte, k PublicKey) (string, error) {
	t.Helper()
	dir := t.TempDir()
	file, key := filepath.Join(dir, "fw.artifact"), filepath.Join(dir, "k.pub")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, k.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bash", "-c", shellClient, "client", file, key, dir).CombinedOutput()
	return string(out), err
}
