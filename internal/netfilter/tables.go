package netfilter

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
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
}

// families maps the numbers of linux/netfilter.h to the model's names.
var families = map[byte]ruleset.Family{
	unix.NFPROTO_INET: ruleset.Inet, unix.NFPROTO_IPV4: ruleset.IPv4, unix.NFPROTO_IPV6: ruleset.IPv6,
	unix.NFPROTO_ARP: ruleset.ARP, unix.NFPROTO_BRIDGE: ruleset.Bridge, unix.NFPROTO_NETDEV: ruleset.Netdev,
}

// baseChain is where a base chain hangs.
type baseChain struct {
	typ  string
	hook uint32
	prio int32
}

// builtins are the base chains that the iptables-nft programs make and accept
// as theirs, by family, table and chain; measured on iptables 1.8.9.
var builtins = map[ruleset.Family]map[string]map[string]baseChain{
	ruleset.IPv4: ipBuiltins, ruleset.IPv6: ipBuiltins,
	ruleset.ARP: {"filter": {"INPUT": {"filter", 0, 0}, "OUTPUT": {"filter", 1, 0}}},
	ruleset.Bridge: {
		"filter": {"INPUT": {"filter", 1, -200}, "FORWARD": {"filter", 2, -200}, "OUTPUT": {"filter", 3, -200}},
		"nat": {"PREROUTING": {"filter", 0, -300}, "OUTPUT": {"filter", 3, 100},
			"POSTROUTING": {"filter", 4, 300}},
	},
}

var ipBuiltins = map[string]map[string]baseChain{
	"raw": {"PREROUTING": {"filter", 0, -300}, "OUTPUT": {"filter", 3, -300}},
	"mangle": {"PREROUTING": {"filter", 0, -150}, "INPUT": {"filter", 1, -150}, "FORWARD": {"filter", 2, -150},
		"OUTPUT": {"route", 3, -150}, "POSTROUTING": {"filter", 4, -150}},
	"nat": {"PREROUTING": {"nat", 0, -100}, "INPUT": {"nat", 1, 100}, "OUTPUT": {"nat", 3, -100},
		"POSTROUTING": {"nat", 4, 100}},
	"filter":   {"INPUT": {"filter", 1, 0}, "FORWARD": {"filter", 2, 0}, "OUTPUT": {"filter", 3, 0}},
	"security": {"INPUT": {"filter", 1, 150}, "FORWARD": {"filter", 2, 150}, "OUTPUT": {"filter", 3, 150}},
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
		if builtins[t.family][t.name] != nil {
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
		tableName, chain, base, ok := decodeBase(m.Data[4:])
		i := slices.IndexFunc(ts, func(t table) bool {
			return t.family == families[m.Data[0]] && t.name == tableName
		})
		if !ok || i < 0 || ts[i].owner == native {
			continue
		}
		b := found[i]
		if builtins[ts[i].family][tableName][chain] == base {
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
func decodeBase(b []byte) (table, chain string, base baseChain, ok bool) {
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_CHAIN_TABLE:
			table = cstring(v)
		case unix.NFTA_CHAIN_NAME:
			chain = cstring(v)
		case unix.NFTA_CHAIN_TYPE:
			base.typ = cstring(v)
		case unix.NFTA_CHAIN_HOOK:
			ok = true
			for typ, v := range attributes(v) {
				switch typ {
				case unix.NFTA_HOOK_HOOKNUM:
					base.hook = be32(v)
				case unix.NFTA_HOOK_PRIORITY:
					base.prio = int32(be32(v))
				}
			}
		}
	}
	return table, chain, base, ok
}
