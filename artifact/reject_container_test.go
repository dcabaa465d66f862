package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// patched returns data with bytes of its n-th header replaced and the checksum
// made right again.
func patched(data []byte, n, at int, by string) []byte {
	out := bytes.Clone(data)
	off := 0
	for range n {
		var size int
		fmt.Sscanf(string(out[off+124:off+135]), "%o", &size)
		off += blockSize + padded(size)
	}
	h := out[off : off+blockSize]
	copy(h[at:], by)
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return out
}

// TestRejectContainer: files that tar may read and fwc does not.
func TestRejectContainer(t *testing.T) {
	good := testFile(t, testKey(t, 1))
	end := len(good) - 2*blockSize
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(good)
	w.Close()
	name := func(s string) []byte { return patched(good, 1, 0, s+strings.Repeat("\x00", 100-len(s))) }
	typ := func(c string) []byte { return patched(good, 1, 156, c) }
	for _, c := range []struct {
		name  string
		data  []byte
		kind  error
		words string
	}{
		{"Empty", nil, ErrContainer, "cut short"},
		{"OnlyClosingBlocks", make([]byte, 1024), ErrContainer, "first member is not"},
		{"TrailingByte", append(bytes.Clone(good), 0), ErrContainer, "1 bytes follow"},
		{"TrailingBlock", append(bytes.Clone(good), make([]byte, 512)...), ErrContainer, "512 bytes follow"},
		{"PaddedTo10240", append(bytes.Clone(good), make([]byte, 10240-len(good)%10240)...), ErrContainer, "follow its end"},
		{"AppendedArchive", append(bytes.Clone(good), good...), ErrContainer, "follow its end"},
		{"AppendedMember", append(bytes.Clone(good[:end]), good...), ErrContainer, "out of place"},
		{"LeadingByte", append([]byte{0}, good...), ErrContainer, ""},
		{"LeadingBlock", append(make([]byte, 512), good...), ErrContainer, "closing blocks are not empty"},
		{"OneClosingBlock", good[:end+512], ErrContainer, "cut short"},
		{"ClosingBlockNotEmpty", append(bytes.Clone(good[:len(good)-1]), 1), ErrContainer, "closing blocks"},
		{"Gzip", zipped.Bytes(), ErrContainer, "compressed with gzip"},
		{"Zstd", []byte("\x28\xb5\x2f\xfd...."), ErrContainer, "compressed with zstd"},
		{"Xz", []byte("\xfd7zXZ\x00...."), ErrContainer, "compressed with xz"},
		{"PAXHeader", typ("x"), ErrContainer, "a PAX header is not allowed"},
		{"PAXGlobalHeader", typ("g"), ErrContainer, "a PAX header is not allowed"},
		{"GNULongName", typ("L"), ErrContainer, "a GNU long name is not allowed"},
		{"GNULongLink", typ("K"), ErrContainer, "a GNU long link is not allowed"},
		{"GNUSparse", typ("S"), ErrContainer, "a GNU sparse file is not allowed"},
		{"HardLink", typ("1"), ErrContainer, "a hard link is not allowed"},
		{"SymbolicLink", typ("2"), ErrContainer, "a symbolic link is not allowed"},
		{"CharacterDevice", typ("3"), ErrContainer, "a character device is not allowed"},
		{"BlockDevice", typ("4"), ErrContainer, "a block device is not allowed"},
		{"Directory", typ("5"), ErrContainer, "a directory is not allowed"},
		{"Fifo", typ("6"), ErrContainer, "a fifo is not allowed"},
		{"Contiguous", typ("7"), ErrContainer, "a contiguous file is not allowed"},
		{"OldStyleType", typ("\x00"), ErrContainer, "an old-style member is not allowed"},
		{"UnknownType", typ("Z"), ErrContainer, "not canonical"},
		{"GNUMagic", patched(good, 1, 257, "ustar  \x00"), ErrContainer, "not canonical"},
		{"NoMagic", patched(good, 1, 257, strings.Repeat("\x00", 8)), ErrContainer, "not canonical"},
		{"OtherMode", patched(good, 1, 100, "0000755"), ErrContainer, "not canonical"},
		{"SetuidMode", patched(good, 1, 100, "0004755"), ErrContainer, "not canonical"},
		{"Owner", patched(good, 1, 108, "0001750"), ErrContainer, "not canonical"},
		{"OwnerName", patched(good, 1, 265, "root"), ErrContainer, "not canonical"},
		{"Group", patched(good, 1, 116, "0001750"), ErrContainer, "not canonical"},
		{"Time", patched(good, 1, 136, "00000000001"), ErrContainer, "not canonical"},
		{"LinkName", patched(good, 1, 157, "x"), ErrContainer, "not canonical"},
		{"Prefix", patched(good, 1, 345, "etc"), ErrContainer, "not canonical"},
		{"AfterPrefix", patched(good, 1, 511, "x"), ErrContainer, "not canonical"},
		{"AfterName", patched(good, 1, 99, "x"), ErrContainer, "not canonical"},
		{"Checksum", flipped(good, 150*8), ErrContainer, "not canonical"},
		{"SizeWithSpaces", patched(good, 1, 124, "       0010"), ErrContainer, "not canonical"},
		{"SizeBase256", patched(good, 1, 124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"), ErrContainer, "not canonical"},
		{"SizeNegative", patched(good, 1, 124, "-0000000001"), ErrContainer, "not canonical"},
		{"SizeHuge", patched(good, 1, 124, "77777777777"), ErrContainer, "cut short"},
		{"SizePastEnd", patched(good, 4, 124, "00000010000"), ErrContainer, "cut short"},
		{"PaddingNotEmpty", withByte(good, end-1, 1), ErrContainer, "padding"},
		{"NameDotDot", name(".."), ErrContainer, `name ".." is not allowed`},
		{"NameDot", name("."), ErrContainer, "not allowed"},
		{"NameHidden", name(".profile"), ErrContainer, "not allowed"},
		{"NameParent", name("../etc/passwd"), ErrContainer, "not allowed"},
		{"NameAbsolute", name("/etc/passwd"), ErrContainer, "not allowed"},
		{"NameSlash", name("a/b"), ErrContainer, "not allowed"},
		{"NameBackslash", name(`a\b`), ErrContainer, "not allowed"},
		{"NameOption", name("-rf"), ErrContainer, "not allowed"},
		{"NameNUL", name("iptables\x00rules"), ErrContainer, "not canonical"},
		{"NameNewline", name("iptables\nrules"), ErrContainer, "not allowed"},
		{"NameUpperCase", name("IPtables.rules"), ErrContainer, "not allowed"},
		{"NameUnicode", name("iptablеs.rules"), ErrContainer, "not allowed"},
		{"NameEmpty", name(""), ErrContainer, "0 bytes"},
		{"NameOf100Bytes", name(strings.Repeat("a", 100)), ErrContainer, "100 bytes"},
		{"DuplicateMember", name("script"), ErrContainer, ""},
		{"MembersOutOfOrder", name("zzz"), ErrContainer, "out of order"},
		{"AttestationOutOfPlace", name("attestation.3.sigstore.json"), ErrContainer, "out of place"},
		{"AttestationRenamed", patched(good, 0, 0, "attestation.9"), ErrContainer, "first member is not"},
		{"NotAnArchive", []byte(strings.Repeat("# Generated by iptables-save\n", 100)), ErrContainer, ""},
		{"TooManyMembers", manyMembers(t), ErrContainer, "more than 1024 members"},
		{"OverTheLimit", make([]byte, MaxSize+1), ErrTooLarge, "67108864"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rejected(t, c.data, c.kind, c.words)
		})
	}
	t.Run("DuplicateAdjacentMember", func(t *testing.T) {
		_, members := testParts(t)
		payload, _ := testParts(t)
		rejected(t, signed(t, payload, append([]Member{members[0]}, members...), testKey(t, 1)), ErrContainer, "there twice")
	})
}

func manyMembers(t *testing.T) []byte {
	t.Helper()
	payload, _ := testParts(t)
	var members []Member
	for i := range MaxMembers + MaxSignatures {
		members = append(members, Member{Name: fmt.Sprintf("m%05d", i)})
	}
	return signed(t, payload, members, testKey(t, 1))
}

func withByte(data []byte, at int, c byte) []byte {
	out := bytes.Clone(data)
	out[at] = c
	return out
}

func flipped(data []byte, bit int) []byte {
	out := bytes.Clone(data)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

// TestRejectEveryFlippedBit: no bit of a signed file can change. Where it is
// slow, with ECDSA and the race detector, one bit of each byte is tried.
func TestRejectEveryFlippedBit(t *testing.T) {
	for name, k := range map[string]*PrivateKey{"ed25519": testKey(t, 1), "ecdsa": testECDSA(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, keys := testFile(t, k), []PublicKey{k.Public()}
			step := 1
			if name == "ecdsa" || raceEnabled {
				step = 9
			}
			for bit := 0; bit < 8*len(data); bit += step {
				if _, err := Open(flipped(data, bit), keys, 1); err == nil {
					t.Errorf("bit %d of byte %d can change", bit%8, bit/8)
				}
			}
		})
	}
}

// TestRejectEveryCut: no part of a file is a file.
func TestRejectEveryCut(t *testing.T) {
	data := testFile(t, testKey(t, 1))
	for n := range data {
		if _, _, err := Inspect(data[:n]); err == nil {
			t.Errorf("cut after %d bytes it is accepted", n)
		}
		if _, _, err := Inspect(data[n+1:]); err == nil {
			t.Errorf("without its first %d bytes it is accepted", n+1)
		}
	}
}

// TestRejectRandomDamage changes several bytes at once.
func TestRejectRandomDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	k := testKey(t, 1)
	data := testFile(t, k)
	for range 5000 {
		out := bytes.Clone(data)
		for range 1 + rng.IntN(8) {
			out[rng.IntN(len(out))] = byte(rng.Uint32())
		}
		if bytes.Equal(out, data) {
			continue
		}
		if _, err := Open(out, []PublicKey{k.Public()}, 1); err == nil {
			t.Fatal("accepted with random damage")
		}
	}
}

// TestContainerIsUstar compares the container with what archive/tar writes.
func TestContainerIsUstar(t *testing.T) {
	data := testFile(t, testKey(t, 1))
	members, err := decodeContainer(data)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.Name, Size: int64(len(m.Data)), Mode: 0o644, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write(m.Data)
	}
	w.Close()
	if !bytes.Equal(buf.Bytes(), data) {
		t.Error("archive/tar writes another file")
	}
}

// TestRejectFileOverTheLimit: a file that is too large is refused by its size,
// and a stream as soon as it is.
func TestRejectFileOverTheLimit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 50); err != nil { // sparse: reading it would take days
		if err := f.Truncate(1 << 40); err != nil {
			t.Fatal(err)
		}
	}
	_, err = ReadFile(name)
	checkError(t, "ReadFile", err, ErrTooLarge, "more than 67108864")
	r := &endless{}
	_, err = Read(r)
	checkError(t, "Read", err, ErrTooLarge, "more than 67108864")
	if r.n > MaxSize+1<<20 {
		t.Errorf("it read %d bytes", r.n)
	}
	if _, err := ReadFile(t.TempDir()); err == nil {
		t.Error("read a directory")
	}
	if _, err := Read(io.LimitReader(r, 10)); err != nil {
		t.Error(err)
	}
}

type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) { e.n += len(b); return len(b), nil }
