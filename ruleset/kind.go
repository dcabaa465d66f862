package ruleset

import (
	"slices"
	"strings"
)

// Family is a netfilter protocol family, named as nft(8) names it.
type Family string

// The families. Inet and Netdev are native nftables only.
const (
	IPv4   Family = "ip"
	IPv6   Family = "ip6"
	Inet   Family = "inet"
	ARP    Family = "arp"
	Bridge Family = "bridge"
	Netdev Family = "netdev"
)

// Backend is the kernel interface that an xtables program speaks.
type Backend string

// The backends: nf_tables, and the older setsockopt interface.
const (
	NFT    Backend = "nft"
	Legacy Backend = "legacy"
)

// Kind is a dump grammar.
type Kind string

// The kinds of dump, named for the program whose save they are.
const (
	IPTables  Kind = "iptables"
	IP6Tables Kind = "ip6tables"
	ARPTables Kind = "arptables"
	EBTables  Kind = "ebtables"
	NFTables  Kind = "nft"
	IPSet     Kind = "ipset"
	SysctlSet Kind = "sysctl"
)

// Kinds lists every kind in canonical order.
var Kinds = []Kind{IPTables, IP6Tables, ARPTables, EBTables, NFTables, IPSet, SysctlSet}

// families maps the xtables kinds to their family.
var families = map[Kind]Family{IPTables: IPv4, IP6Tables: IPv6, ARPTables: ARP, EBTables: Bridge}

// Family returns the family of an xtables kind and "" of any other.
func (k Kind) Family() Family { return families[k] }

// XTables returns the xtables kind of a family and "" where it has none.
func (f Family) XTables() Kind {
	for k, v := range families {
		if v == f {
			return k
		}
	}
	return ""
}

// Name returns the dump's file name: iptables.rules, iptables-legacy.rules,
// nft.json, ipset.save, sysctl.conf.
func (d Dump) Name() string {
	switch d.Kind {
	case NFTables:
		return "nft.json"
	case IPSet:
		return "ipset.save"
	case SysctlSet:
		return "sysctl.conf"
	}
	if d.Backend == Legacy {
		return string(d.Kind) + "-legacy.rules"
	}
	return string(d.Kind) + ".rules"
}

// DumpOf returns the kind and backend that a dump's file name stands for.
func DumpOf(name string) (Kind, Backend, bool) {
	for _, k := range Kinds {
		for _, b := range []Backend{NFT, Legacy} {
			if k.Family() == "" && b == Legacy {
				continue
			}
			if (k == IPSet || k == SysctlSet) && b == NFT {
				b = ""
			}
			if (Dump{Kind: k, Backend: b}).Name() == name {
				return k, b, true
			}
		}
	}
	return "", "", false
}

func compareDumps(a, b Dump) int {
	if c := slices.Index(Kinds, a.Kind) - slices.Index(Kinds, b.Kind); c != 0 {
		return c
	}
	return strings.Compare(string(b.Backend), string(a.Backend)) // nft before legacy
}

var familyOrder = []Family{IPv4, IPv6, Inet, ARP, Bridge, Netdev}

// tableOrder is the order in which iptables(8) documents the tables; others
// follow by name.
var tableOrder = []string{"raw", "mangle", "nat", "filter", "security", "broute"}

func compareTables(a, b Table) int {
	if c := strings.Compare(string(b.Backend), string(a.Backend)); c != 0 {
		return c
	}
	if c := slices.Index(familyOrder, a.Family) - slices.Index(familyOrder, b.Family); c != 0 {
		return c
	}
	ai, bi := slices.Index(tableOrder, a.Name), slices.Index(tableOrder, b.Name)
	if ai >= 0 && bi >= 0 && ai != bi {
		return ai - bi
	}
	if (ai >= 0) != (bi >= 0) {
		return bi - ai
	}
	return strings.Compare(a.Name, b.Name)
}
