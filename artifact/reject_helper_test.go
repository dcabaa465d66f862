package artifact

import (
	"errors"
	"strings"
	"testing"
)

// rejected checks that neither Open nor Inspect takes data, for the reason of
// that kind, in a sentence that holds the words.
func rejected(t *testing.T, data []byte, kind error, words string) {
	t.Helper()
	_, err := Open(data, []PublicKey{testKey(t, 1).Public()}, 1)
	checkError(t, "Open", err, kind, words)
	_, _, err = Inspect(data)
	checkError(t, "Inspect", err, kind, words)
}

// notOpened is rejected for what only Open checks.
func notOpened(t *testing.T, data []byte, keys []PublicKey, threshold int, kind error, words string) {
	t.Helper()
	a, err := Open(data, keys, threshold)
	checkError(t, "Open", err, kind, words)
	if a != nil {
		t.Error("Open returned an artifact with an error")
	}
}

func checkError(t *testing.T, what string, err, kind error, words string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), words) {
		t.Errorf("%s: %v; want %v … %s", what, err, kind, words)
	}
}

// testParts returns the payload and members of the test artifact.
func testParts(t testing.TB) (string, []Member) {
	t.Helper()
	a, _, err := Inspect(testFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(a.payload), a.members
}

// signed returns a file whose payload is signed, whatever it is.
func signed(t testing.TB, payload string, members []Member, signers ...Signer) []byte {
	t.Helper()
	var bundles []string
	for _, s := range signers {
		b, err := sign([]byte(payload), s)
		if err != nil {
			t.Fatal(err)
		}
		bundles = append(bundles, bundleText(t, b))
	}
	return assembled(t, bundles, members)
}

func bundleText(t testing.TB, b *bundle) string {
	t.Helper()
	text, err := marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// assembled returns a file of those bundles, whatever they are.
func assembled(t testing.TB, bundles []string, members []Member) []byte {
	t.Helper()
	var all []Member
	for i, b := range bundles {
		all = append(all, Member{attestationName(i), []byte(b)})
	}
	data, err := encodeContainer(append(all, members...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// replaced replaces one piece of text that must be there.
func replaced(t testing.TB, s, old, by string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("no %q in %s", old, s)
	}
	return strings.Replace(s, old, by, 1)
}
