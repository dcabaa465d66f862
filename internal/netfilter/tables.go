package netfilter

import (
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// owner says who a table of nf_tables belongs to.
type owner int

const (
	native   owner = iota // nft's own: only nft prints it whole
	xtables               // an iptables-nft program's
	mixedOwn              // an iptables-nft program's, with foreign parts
)

// table is one nf_tables table, as far as Capture and Load need to know it.
type table struct {
	family ruleset.Family
	name   string
	owner  owner
	what   string // of mixedOwn: what no save prints
	odd    string // a chain whose name iptables could not read back
}

// families maps the numbers of linux/netfilter.h to the model's names.
var families = map[byte]ruleset.Family{
	unix.NFPROTO_INET: ruleset.Inet, unix.NFPROTO_IPV4: ruleset.IPv4, unix.NFPROTO_IPV6: ruleset.IPv6,
	unix.NFPROTO_ARP: ruleset.ARP, unix.NFPROTO_BRIDGE: ruleset.Bridge, unix.NFPROTO_NETDEV: ruleset.Netdev,
}

// hooks are the names of the hooks of linux/netfilter.h and
// linux/netfilter_arp.h by number. Those of inet and bridge are as of ip; netdev
// has no table of an iptables program.
var hooks = map[bool][]string{
	false: {"prerouting", "input", "forward", "output", "postrouting"},
	true:  {"input", "output", "forward"}, // of arp
}

// hookName returns the name of a hook, or its number.
func hookName(f ruleset.Family, n uint32) string {
	if names := hooks[f == ruleset.ARP]; int64(n) < int64(len(names)) && f != ruleset.Netdev {
		return names[n]
	}
	return strconv.FormatUint(uint64(n), 10)
}

// tables lists the tables of nf_tables, each with its owner, by family and
// name. It creates nothing.
func (c *conn) tables() ([]table, error) {
	msgs, err := c.dump(unix.NFT_MSG_GETTABLE, unix.AF_UNSPEC, nil)
	if err != nil {
		return nil, fmt.Errorf("list nf_tables tables: %w", err)
	}
	var ts []table
	known := false
	for _, m := range msgs {
		t := table{family: families[m.Data[0]]}
		for typ, v := range attributes(m.Data[4:]) {
			if typ == unix.NFTA_TABLE_NAME {
				t.name = cstring(v)
			}
		}
		if nft.OwnedChains(t.family, t.name) != nil {
			t.owner, known = xtables, true
		}
		ts = append(ts, t)
	}
	if known {
		if err := c.judge(ts); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// judge sets the owner of the tables that are named as an iptables program
// names its own. One that has base chains, but none as iptables makes them, is
// native; one that has both is mixed.
func (c *conn) judge(ts []table) error {
	msgs, err := c.dump(unix.NFT_MSG_GETCHAIN, unix.AF_UNSPEC, nil)
	if err != nil {
		return fmt.Errorf("list nf_tables chains: %w", err)
	}
	type bases struct {
		own     int
		foreign string
	}
	found := map[int]bases{}
	for _, m := range msgs {
		tableName, chain, base, ok := decodeBase(families[m.Data[0]], m.Data[4:])
		i := slices.IndexFunc(ts, func(t table) bool {
			return t.family == families[m.Data[0]] && t.name == tableName
		})
		if i < 0 || ts[i].owner == native {
			continue
		}
		if !isChainName(chain) {
			ts[i].odd = chain
		}
		if !ok {
			continue
		}
		b := found[i]
		if own, ok := nft.OwnedChains(ts[i].family, tableName)[chain]; ok && own == base {
			b.own++
		} else {
			b.foreign = chain
		}
		found[i] = b
	}
	for i, b := range found {
		switch {
		case b.foreign != "" && b.own == 0:
			ts[i].owner = native
		case b.foreign != "":
			ts[i].owner, ts[i].what = mixedOwn, "the base chain "+b.foreign
		}
	}
	return nil
}

// decodeBase reads a chain message; ok is false for a chain without a hook.
func decodeBase(f ruleset.Family, b []byte) (table, chain string, base nft.BaseChain, ok bool) {
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_CHAIN_TABLE:
			table = cstring(v)
		case unix.NFTA_CHAIN_NAME:
			chain = cstring(v)
		case unix.NFTA_CHAIN_TYPE:
			base.Type = cstring(v)
		case unix.NFTA_CHAIN_HOOK:
			ok = true
			for typ, v := range attributes(v) {
				switch typ {
				case unix.NFTA_HOOK_HOOKNUM:
					base.Hook = hookName(f, be32(v))
				case unix.NFTA_HOOK_PRIORITY:
					base.Priority = int(int32(be32(v)))
				}
			}
		}
	}
	return table, chain, base, ok
}
