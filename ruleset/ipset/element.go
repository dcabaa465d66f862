package ipset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// element is one element of a set: its text as ipset save prints it, and a key
// whose byte order is the canonical order.
type element struct {
	text string
	key  string
}

// atom is one dimension of an element.
type atom struct {
	text string
	key  string
}

// maxExpansion bounds how many elements one add may stand for: the largest
// bitmap. A range that is larger is refused rather than expanded.
const maxExpansion = 1 << 16

// elements returns what one element of an add line stands for: itself, or all
// that its ranges hold.
func (s *set) elements(text string) ([]element, error) {
	if len(s.typ.parts) == 1 && strings.IndexByte(text, ',') < 0 {
		atoms, err := s.atoms(s.scratchAtoms[:0], s.typ.parts[0], text)
		if err != nil {
			return nil, err
		}
		s.scratchAtoms = atoms[:0]
		s.scratch, err = join(s.scratch[:0], [][]atom{atoms})
		return s.scratch, err
	}
	fields := strings.SplitN(text, ",", 4)
	if len(fields) == 1 && s.typ.name == "bitmap:ip,mac" {
		// The address alone: the kernel fills in the MAC of the first match.
		atoms, err := s.atoms(nil, partHost, fields[0])
		if err != nil {
			return nil, err
		}
		return join(nil, [][]atom{atoms})
	}
	if len(fields) != len(s.typ.parts) {
		return nil, fmt.Errorf("an element of a %s has %d parts, not %d", s.typ.name, len(s.typ.parts), len(fields))
	}
	dims := make([][]atom, 0, 3)
	var room [3]atom
	for i, f := range fields {
		atoms, err := s.atoms(room[i:i:i+1], s.typ.parts[i], f)
		if err != nil {
			return nil, err
		}
		dims = append(dims, atoms)
	}
	return join(nil, dims)
}

// join returns the elements of the cross product of the dimensions.
func join(dst []element, dims [][]atom) ([]element, error) {
	n := 1
	for _, d := range dims {
		if len(d) == 0 || n > maxExpansion/len(d) {
			return nil, fmt.Errorf("the range holds more than %d elements", maxExpansion)
		}
		n *= len(d)
	}
	if len(dims) == 1 {
		for _, a := range dims[0] {
			dst = append(dst, element(a))
		}
		return dst, nil
	}
	for i := range n {
		var text, key []byte
		for j, rest := 0, i; j < len(dims); j++ {
			a := dims[j][rest%len(dims[j])]
			rest /= len(dims[j])
			if j > 0 {
				text = append(text, ',')
			}
			text = append(text, a.text...)
			key = append(key, a.key...)
		}
		dst = append(dst, element{string(text), string(key)})
	}
	return dst, nil
}

// atoms appends what one part of an element stands for.
func (s *set) atoms(dst []atom, p part, text string) ([]atom, error) {
	switch p {
	case partIP, partHost:
		return s.addresses(dst, p, text)
	case partNet:
		return s.networks(dst, text)
	case partPort:
		proto, from, to, err := parsePorts(text, s.v6)
		if err != nil {
			return nil, err
		}
		for port := int(from); port <= int(to); port++ {
			dst = append(dst, atom{formatPort(proto, uint16(port)), string([]byte{proto, byte(port >> 8), byte(port)})})
		}
		return dst, nil
	case partPlain:
		from, to, err := parsePortRange(text)
		if err != nil {
			return nil, err
		}
		if uint32(from) < s.low || uint32(to) > s.high {
			return nil, fmt.Errorf("%s is outside of the set's range %d-%d", text, s.low, s.high)
		}
		for port := int(from); port <= int(to); port++ {
			dst = append(dst, atom{strconv.Itoa(port), string([]byte{byte(port >> 8), byte(port)})})
		}
		return dst, nil
	case partMAC:
		mac, err := parseMAC(text)
		if err != nil {
			return nil, err
		}
		return append(dst, atom{fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]), string(mac)}), nil
	case partMark:
		n, err := number(text, 1<<32-1)
		if err != nil {
			return nil, err
		}
		mark := uint32(n) & s.markmask
		return append(dst, atom{fmt.Sprintf("0x%08x", mark), string(binary.BigEndian.AppendUint32(nil, mark))}), nil
	case partDevice:
		name := strings.TrimPrefix(text, "physdev:")
		if name == "" || len(name) > 15 || strings.IndexByte(name, ' ') >= 0 || checkWord(name) != nil {
			return nil, fmt.Errorf("%q is no interface name", name)
		}
		return append(dst, atom{quote(text), text + "\x00"}), nil
	case partSet:
		if err := CheckName(text); err != nil {
			return nil, err
		}
		return append(dst, atom{quote(text), text}), nil
	}
	return nil, errors.New("no such part of an element")
}

// addresses expands an address, range or network for the types that hold
// addresses, as the kernel's uadt functions do.
func (s *set) addresses(dst []atom, p part, text string) ([]atom, error) {
	sp, err := parseSpan(text, s.v6)
	if err != nil {
		return nil, err
	}
	if sp.from == sp.to {
		a := masked(sp.from, s.netmask, s.bitmask)
		if s.typ.bitmap() && (v4(a) < s.low || v4(a) > s.high) {
			return nil, fmt.Errorf("%s is outside of the set's range", text)
		}
		return append(dst, addressAtom(a)), nil
	}
	if p == partHost || s.v6 {
		return nil, fmt.Errorf("one address must stand here, not %q", text)
	}
	from, to, step := uint64(v4(sp.from)), uint64(v4(sp.to)), uint64(1)
	if s.netmask > 0 {
		step = 1 << (32 - s.netmask)
		from &^= step - 1
	}
	if s.typ.bitmap() && (from < uint64(s.low) || to > uint64(s.high)) {
		return nil, fmt.Errorf("%s is outside of the set's range", text)
	}
	if (to-from)/step >= maxExpansion {
		return nil, fmt.Errorf("%s holds more than %d addresses", text, maxExpansion)
	}
	for n := from; n <= to; n += step {
		dst = append(dst, addressAtom(masked(addr4(uint32(n)), -1, s.bitmask)))
	}
	return dst, nil
}

func (s *set) networks(dst []atom, text string) ([]atom, error) {
	sp, err := parseSpan(text, s.v6)
	if err != nil {
		return nil, err
	}
	switch {
	case sp.bits >= 0:
		return append(dst, s.networkAtom(netip.PrefixFrom(sp.from, sp.bits))), nil
	case sp.from == sp.to:
		return append(dst, s.networkAtom(netip.PrefixFrom(sp.from, sp.from.BitLen()))), nil
	case s.v6:
		return nil, fmt.Errorf("an IPv6 network must stand here, not %q", text)
	}
	for _, p := range networks(v4(sp.from), v4(sp.to)) {
		dst = append(dst, s.networkAtom(p))
	}
	return dst, nil
}

func addressAtom(a netip.Addr) atom { return atom{a.String(), addressKey(a, -1)} }

// addressKey returns an address's bytes, and the prefix length if there is one.
func addressKey(a netip.Addr, bits int) string {
	var b [17]byte
	n := a.BitLen() / 8
	if n == 4 {
		v := a.As4()
		copy(b[:], v[:])
	} else {
		v := a.As16()
		copy(b[:], v[:])
	}
	if bits >= 0 {
		b[n] = byte(bits)
		n++
	}
	return string(b[:n])
}

func (s *set) networkAtom(p netip.Prefix) atom {
	if a := masked(p.Addr(), s.netmask, s.bitmask); a != p.Addr() {
		p = netip.PrefixFrom(a, p.Bits())
	}
	key := addressKey(p.Addr(), p.Bits())
	if p.IsSingleIP() {
		return atom{p.Addr().String(), key}
	}
	return atom{p.String(), key}
}
