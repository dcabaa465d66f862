package artifact

import (
	"bytes"
	"fmt"
	"strconv"
)

// The container is POSIX.1-1988 ustar (pax(1), "ustar Interchange Format") with
// every field that could vary held to one value: regular files only, mode 0644,
// owner 0:0 without names, time 0, no padding beyond the two closing blocks.

const blockSize = 512

// nameSize keeps a name and its NUL within the header's first field, so that
// the prefix field stays empty.
const nameSize = 99

// encodeContainer writes the members in the order given.
func encodeContainer(members []Member) ([]byte, error) {
	size := 2 * blockSize
	for _, m := range members {
		size += blockSize + padded(len(m.Data))
		if size > MaxSize {
			return nil, errorf(ErrTooLarge, "more than %d bytes", MaxSize)
		}
	}
	out := make([]byte, 0, size)
	for _, m := range members {
		if err := checkName(m.Name); err != nil {
			return nil, err
		}
		out = append(out, header(m.Name, len(m.Data))...)
		out = append(out, m.Data...)
		out = append(out, make([]byte, padded(len(m.Data))-len(m.Data))...)
	}
	return append(out, make([]byte, 2*blockSize)...), nil
}

// decodeContainer returns the members of data. It rebuilds each header from the
// name and size and compares, so that only what encodeContainer writes passes.
func decodeContainer(data []byte) ([]Member, error) {
	if len(data) > MaxSize {
		return nil, errorf(ErrTooLarge, "more than %d bytes", MaxSize)
	}
	if format := compression(data); format != "" {
		return nil, errorf(ErrContainer, "it is compressed with %s", format)
	}
	var members []Member
	rest := data
	for {
		if len(rest) < 2*blockSize {
			return nil, errorf(ErrContainer, "it is cut short at byte %d", len(data))
		}
		if isZero(rest[:blockSize]) {
			break
		}
		if len(members) == MaxMembers+MaxSignatures {
			return nil, errorf(ErrContainer, "more than %d members", MaxMembers)
		}
		m, n, err := decodeMember(rest)
		if err != nil {
			return nil, wrap(ErrContainer, fmt.Sprintf("member %d", len(members)+1), err)
		}
		members = append(members, m)
		rest = rest[n:]
	}
	if !isZero(rest[:2*blockSize]) {
		return nil, errorf(ErrContainer, "the closing blocks are not empty")
	}
	if len(rest) > 2*blockSize {
		return nil, errorf(ErrContainer, "%d bytes follow its end", len(rest)-2*blockSize)
	}
	return members, nil
}

// decodeMember returns the first member of data and how many bytes it takes.
func decodeMember(data []byte) (Member, int, error) {
	head := data[:blockSize]
	if kind := foreign[head[156]]; kind != "" {
		return Member{}, 0, fmt.Errorf("%s is not allowed", kind)
	}
	name, _, _ := bytes.Cut(head[:100], []byte{0})
	if err := checkName(string(name)); err != nil {
		return Member{}, 0, err
	}
	// Eleven octal digits hold at most 8 GiB: no overflow on 64 bits.
	size, err := strconv.ParseUint(string(head[124:135]), 8, 63)
	if err != nil || !bytes.Equal(head, header(string(name), int(size))) {
		return Member{}, 0, fmt.Errorf("the header of %s is not canonical", name)
	}
	body := data[blockSize:]
	if size > uint64(len(body)) || padded(int(size)) > len(body) {
		return Member{}, 0, fmt.Errorf("%s is cut short", name)
	}
	n := int(size)
	if !isZero(body[n:padded(n)]) {
		return Member{}, 0, fmt.Errorf("the padding of %s is not empty", name)
	}
	return Member{Name: string(name), Data: body[:n:n]}, blockSize + padded(n), nil
}

// foreign names the types of member that an artifact never has.
var foreign = map[byte]string{
	0: "an old-style member", '1': "a hard link", '2': "a symbolic link",
	'3': "a character device", '4': "a block device", '5': "a directory",
	'6': "a fifo", '7': "a contiguous file", 'g': "a PAX header", 'x': "a PAX header",
	'L': "a GNU long name", 'K': "a GNU long link", 'S': "a GNU sparse file",
	'D': "a GNU dump directory", 'M': "a GNU multi-volume member", 'V': "a GNU volume label",
}

// header returns the one header block of a member of that name and size.
func header(name string, size int) []byte {
	h := make([]byte, blockSize)
	copy(h, name)
	copy(h[100:], "0000644\x00")                  // mode
	copy(h[108:], "0000000\x00")                  // uid
	copy(h[116:], "0000000\x00")                  // gid
	copy(h[124:], fmt.Sprintf("%011o\x00", size)) // size
	copy(h[136:], "00000000000\x00")              // mtime
	copy(h[148:], "        ")                     // checksum, as spaces while summing
	h[156] = '0'                                  // regular file
	copy(h[257:], "ustar\x0000")                  // magic, version
	copy(h[329:], "0000000\x00")                  // devmajor
	copy(h[337:], "0000000\x00")                  // devminor
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// checkName allows [a-z0-9][a-z0-9._-]*: nothing that a shell, a file system or
// tar could take for more than a plain name.
func checkName(name string) error {
	if name == "" || len(name) > nameSize {
		return errorf(ErrContainer, "a member's name has %d bytes, not 1 to %d", len(name), nameSize)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return errorf(ErrContainer, "member name %q is not allowed", name)
		}
	}
	return nil
}

// compression names the format whose magic number data starts with.
func compression(data []byte) string {
	for _, f := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"},
		{"\x28\xb5\x2f\xfd", "zstd"}, {"\x04\x22\x4d\x18", "lz4"},
		{"PK\x03\x04", "zip"}, {"\x5d\x00\x00", "lzma"},
	} {
		if bytes.HasPrefix(data, []byte(f.magic)) {
			return f.name
		}
	}
	return ""
}

func padded(n int) int { return (n + blockSize - 1) / blockSize * blockSize }

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
