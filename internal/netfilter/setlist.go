package netfilter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// Of linux/netfilter/ipset/ip_set.h.
const (
	ipsetInvalid       = 65535 // IPSET_INVALID_ID
	ipsetProtocol      = 7
	ipsetCmdProtocol   = 1
	ipsetCmdList       = 7
	ipsetCmdGetByIndex = 15
	ipsetAttrProtocol  = 1
	ipsetAttrSetName   = 2
	ipsetAttrFlags     = 6
	ipsetAttrData      = 7
	ipsetAttrIndex     = 11
	ipsetAttrCADTFlags = 8 // within the data

	ipsetFlagListHeader   = 1 << 2
	ipsetFlagWithForceadd = 1 << 5
)

// ipsetRequest makes a message to ipset, with one attribute unless typ is 0.
func ipsetRequest(cmd uint16, flags netlink.HeaderFlags, typ uint16, v []byte) netlink.Message {
	req := attr(nil, ipsetAttrProtocol, []byte{ipsetProtocol})
	if typ != 0 {
		req = attr(req, typ|unix.NLA_F_NET_BYTEORDER, v)
	}
	m := request(0, flags, unix.AF_UNSPEC, req)
	m.Header.Type = netlink.HeaderType(unix.NFNL_SUBSYS_IPSET<<8 | cmd)
	return m
}

// sets lists the ipsets of the namespace by name, each with its IPSET_FLAG_WITH
// flags. A kernel without ipset has none.
func (c *conn) sets() (map[string]uint32, error) {
	if _, err := c.Execute(ipsetRequest(ipsetCmdProtocol, 0, 0, nil)); err != nil {
		if errors.Is(asAbsent(err), errAbsent) {
			return nil, nil
		}
		return nil, fmt.Errorf("ask for the ipset protocol: %w", err)
	}
	flags := binary.BigEndian.AppendUint32(nil, ipsetFlagListHeader)
	msgs, err := c.Execute(ipsetRequest(ipsetCmdList, netlink.Dump, ipsetAttrFlags, flags))
	if err != nil {
		return nil, fmt.Errorf("list ipsets: %w", err)
	}
	sets := map[string]uint32{}
	for _, m := range msgs {
		if len(m.Data) < 4 {
			continue
		}
		name, with := "", uint32(0)
		for typ, v := range attributes(m.Data[4:]) {
			switch typ {
			case ipsetAttrSetName:
				name = cstring(v)
			case ipsetAttrData:
				for typ, v := range attributes(v) {
					if typ == ipsetAttrCADTFlags {
						with = be32(v)
					}
				}
			}
		}
		if name != "" {
			sets[name] = with
		}
	}
	return sets, nil
}

// objectSets reads the ipsets by name, as ipset save prints them and with what
// it leaves out: forceadd.
func (c *conn) objectSets(ctx context.Context) ([]ruleset.Set, error) {
	flags, err := c.sets()
	if err != nil || len(flags) == 0 {
		return nil, err
	}
	text, err := saveSets(ctx)
	if err != nil {
		return nil, err
	}
	return stateSets(text, flags)
}

// saveSets runs ipset save.
func saveSets(ctx context.Context) ([]byte, error) {
	path, err := lookup("ipset")
	if err != nil {
		return nil, err
	}
	out, _, err := run(ctx, nil, path, "save")
	return out, err
}

// stateSets returns the sets of a save as a State has them.
func stateSets(text []byte, flags map[string]uint32) ([]ruleset.Set, error) {
	sets, err := ipset.Parse("ipset save", text)
	if err != nil {
		return nil, err
	}
	for i := range sets {
		s := &sets[i]
		if flags[s.Name]&ipsetFlagWithForceadd != 0 && !strings.Contains(s.Options, "forceadd") {
			s.Options += " forceadd"
		}
		for j, m := range s.Members {
			s.Members[j] = timeless(m)
		}
	}
	slices.SortStableFunc(sets, func(a, b ruleset.Set) int { return strings.Compare(a.Name, b.Name) })
	return sets, nil
}

// timeless leaves out how long a member has still to live, unless that is for
// ever.
func timeless(member string) string {
	i := strings.Index(member, " timeout ")
	if i < 0 {
		return member
	}
	rest := member[i+len(" timeout "):]
	seconds, rest, more := strings.Cut(rest, " ")
	if seconds == "0" {
		return member
	}
	if more {
		rest = " " + rest
	}
	return member[:i] + " timeout" + rest
}
