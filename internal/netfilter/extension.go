package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// extension reads an xt match or target that runs inside nf_tables. The two
// have the same attributes.
func (d *decoder) extension(f ruleset.Family, e expr) (expr, error) {
	var name string
	var rev uint32
	var info []byte
	for typ, v := range attributes(e.data) {
		switch typ {
		case unix.NFTA_MATCH_NAME:
			name = d.word(v)
		case unix.NFTA_MATCH_REV:
			rev = be32(v)
		case unix.NFTA_MATCH_INFO:
			info = v
		}
	}
	return d.names.extension(f, e.name, name, byte(rev), info)
}

// extension returns an xt match or target in its canonical form. The kernel
// itself leaves out of info what is private to it (usersize in
// linux/netfilter/x_tables.h); what is left to do is to put names in the place
// of numbers that differ between namespaces.
func (n *setNames) extension(f ruleset.Family, kind, name string, rev byte, info []byte) (expr, error) {
	e := expr{name: kind + " " + name, data: info}
	if rev != 0 {
		e.name = fmt.Sprintf("%s %s revision %d", kind, name, rev)
	}
	at := setOffsets(kind, name, rev)
	switch {
	case at != nil:
	case kind == "match" && name == "bpf" && rev == 1 && len(info) >= 8:
		// struct xt_bpf_info_v1: the file descriptor of the process that
		// loaded the rule.
		e.data = append([]byte(nil), info...)
		clear(e.data[4:8])
		return e, nil
	case kind == "match" && name == "recent" && rev == 1 && f == ruleset.IPv4 && len(info) >= 228:
		// struct xt_recent_mtinfo_v1: the mask of an IPv4 address has 4 bytes;
		// what follows is all ones by default and zero after --mask.
		e.data = append([]byte(nil), info...)
		clear(e.data[216:228])
		return e, nil
	case kind == "match" && name == "connlimit" && f == ruleset.IPv4 && len(info) >= 16:
		// struct xt_connlimit_info, likewise.
		e.data = append([]byte(nil), info...)
		clear(e.data[4:16])
		return e, nil
	case kind == "match" && name == "icmp" && f == ruleset.IPv4 && len(info) >= 4 && info[0] == 255:
		// struct ipt_icmp: type 255 is any, whatever the codes.
		e.data = append([]byte(nil), info...)
		clear(e.data[1:3])
		return e, nil
	default:
		return e, nil
	}
	e.data = append([]byte(nil), info...)
	for _, o := range at {
		if o+2 > len(info) {
			return expr{}, fmt.Errorf("%s has %d bytes", e.name, len(info))
		}
		index := binary.NativeEndian.Uint16(info[o:])
		if index == ipsetInvalid {
			continue
		}
		set, err := n.name(index)
		if err != nil {
			return expr{}, err
		}
		clear(e.data[o : o+2])
		e.sets = append(e.sets, set)
	}
	return e, nil
}

// setOffsets returns where an xt match or target holds the indices of ipsets,
// see linux/netfilter/xt_set.h; nil for one that holds none.
func setOffsets(kind, name string, rev byte) []int {
	switch {
	case kind == "match" && name == "set":
		return []int{0}
	case kind == "target" && name == "SET" && rev == 0:
		return []int{0, 20} // struct xt_set_info_v0 has 20 bytes
	case kind == "target" && name == "SET" && rev < 3:
		return []int{0, 4}
	case kind == "target" && name == "SET":
		return []int{0, 4, 8}
	}
	return nil
}

// setNames finds the names of ipsets by the index that rules hold.
type setNames struct {
	nl    *conn
	known map[uint16]string
}

func (n *setNames) name(index uint16) (string, error) {
	if s, ok := n.known[index]; ok {
		return s, nil
	}
	if n.nl == nil {
		return "", errors.New("no socket to ask for ipset names")
	}
	msgs, err := n.nl.Execute(ipsetRequest(ipsetCmdGetByIndex, 0, ipsetAttrIndex,
		binary.BigEndian.AppendUint16(nil, index)))
	if err != nil {
		return "", fmt.Errorf("name of the ipset with index %d: %w", index, err)
	}
	for _, m := range msgs {
		if len(m.Data) < 4 {
			continue
		}
		for typ, v := range attributes(m.Data[4:]) {
			if typ == ipsetAttrSetName {
				n.known[index] = cstring(v)
				return n.known[index], nil
			}
		}
	}
	return "", fmt.Errorf("the kernel does not name the ipset with index %d", index)
}
