package netfilter

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// attributes yields the netlink attributes in b, types without the nested and
// byte order flags. It ends early at a cut attribute: what the kernel sends is
// whole.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.NLA_HDRLEN {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.NLA_HDRLEN || n > len(b) {
				return
			}
			typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(typ, b[unix.NLA_HDRLEN:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// be32 reads a number in network byte order, as nf_tables has them.
func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// cstring cuts a C string at its NUL.
func cstring(b []byte) string { return unix.ByteSliceToString(b) }

// attr appends an attribute to b, padded.
func attr(b []byte, typ uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.NLA_HDRLEN+len(v)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// item appends a typed value to b in the form that canonical data has here: as
// an attribute, but with a length of 32 bits, since an anonymous set within a
// rule may be longer than an attribute can.
func item(b []byte, typ uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// wholeAttributes is attributes with each attribute's header and padding.
func wholeAttributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for typ, v := range attributes(b) {
			n := min((unix.NLA_HDRLEN+len(v)+3)&^3, len(b))
			if !yield(typ, b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}
