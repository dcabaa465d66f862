package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// What a lockdown is called in the kernel: a native table, or chains of the
// filter tables whose names begin so.
const (
	lockdownTable = "fwc_lockdown"
	lockdownChain = "FWC-LOCKDOWN"
)

// lockdownWait bounds how long each way to a lockdown may take. All of them, and
// a boot that took too long before, are less than fwc.service has.
const lockdownWait = 30 * time.Second

// lockdown closes the host but for answers, loopback, the ICMP that IP itself
// needs, DHCP's answers, and management, for both families and whatever else is
// loaded: it comes first. It returns what did it. Nothing is routed through.
//
// One native table does it in one transaction wherever nf_tables is. Without
// nft, which fwc needs to read such a table back, chains of iptables do it, and
// without any tool the same table by netlink.
func lockdown(ctx context.Context, m verify.Management) (by string, err error) {
	return firstWay(context.WithoutCancel(ctx), lockdownWait, []way{
		{"nft", func(ctx context.Context) error { return netfilter.RunNFT(ctx, []byte(lockdownNFT(m))) }},
		{"iptables-nft", func(ctx context.Context) error { return lockdownTables(ctx, ruleset.NFT, m) }},
		{"iptables-legacy", func(ctx context.Context) error { return lockdownTables(ctx, ruleset.Legacy, m) }},
		{"netlink", func(ctx context.Context) error { return netfilter.LockDown(ctx, lockdownTable, lockdownPasses(m)) }},
	})
}

// way is one of several ways to the same.
type way struct {
	name string
	do   func(context.Context) error
}

// firstWay goes the first way that gets there, and returns its name. Each has the
// time to itself: one that hangs, or a host that is slow, leaves the next its
// chance.
func firstWay(ctx context.Context, wait time.Duration, ways []way) (string, error) {
	var failed []error
	for _, w := range ways {
		ctx, cancel := context.WithTimeout(ctx, wait)
		err := w.do(ctx)
		cancel()
		if err == nil {
			return w.name, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
	}
	return "", errors.Join(failed...)
}

// icmpv4 and icmpv6 are the types that a host cannot do without: errors, echo
// requests for who looks for it, neighbour discovery and multicast listeners.
// See RFC 4890, section 4.4.
var (
	icmpv4 = []uint8{3, 8, 11, 12}
	icmpv6 = []uint8{1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 135, 136, 143}
)

// dhcpv6 is where a DHCPv6 server answers from.
var dhcpv6 = netip.MustParsePrefix("fe80::/10")

// answers are the conntrack states established and related: bits 1 and 2 of
// enum ip_conntrack_info as nf_tables counts them.
const answers = 1<<1 | 1<<2

// lockdownNFT returns commands of nft that load the table, anew if need be.
func lockdownNFT(m verify.Management) string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n", lockdownTable)
	b.WriteString("chain input {\ntype filter hook input priority -300; policy drop;\n" +
		"ct state established,related accept\niifname \"lo\" accept\n")
	fmt.Fprintf(&b, "meta nfproto ipv4 icmp type { %s } accept\n", numbers(icmpv4))
	fmt.Fprintf(&b, "meta nfproto ipv6 icmpv6 type { %s } accept\n", numbers(icmpv6))
	// Without an address there is no management.
	b.WriteString("meta nfproto ipv4 udp sport 67 udp dport 68 accept\n" +
		"ip6 saddr " + dhcpv6.String() + " udp sport 547 udp dport 546 accept\n")
	for _, p := range m.List() {
		if len(m.From) == 0 {
			fmt.Fprintf(&b, "%s dport %d accept\n", p.Protocol, p.Number)
		}
		for _, from := range m.From {
			family := "ip"
			if from.Addr().Is6() {
				family = "ip6"
			}
			fmt.Fprintf(&b, "%s saddr %s %s dport %d accept\n", family, from, p.Protocol, p.Number)
		}
	}
	b.WriteString("}\nchain forward {\ntype filter hook forward priority -300; policy drop;\n}\n}\n")
	return b.String()
}

func numbers(list []uint8) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ", "), "[]")
}

// lockdownPasses returns what the table of lockdownNFT lets in.
func lockdownPasses(m verify.Management) []netfilter.Pass {
	out := []netfilter.Pass{{State: answers}, {In: "lo"}}
	for i := range icmpv4 {
		out = append(out, netfilter.Pass{Family: unix.NFPROTO_IPV4, Protocol: unix.IPPROTO_ICMP, ICMPType: &icmpv4[i]})
	}
	for i := range icmpv6 {
		out = append(out, netfilter.Pass{Family: unix.NFPROTO_IPV6, Protocol: unix.IPPROTO_ICMPV6, ICMPType: &icmpv6[i]})
	}
	// Without an address there is no management.
	out = append(out, netfilter.Pass{Family: unix.NFPROTO_IPV4, Protocol: unix.IPPROTO_UDP, Sport: 67, Dport: 68},
		netfilter.Pass{From: dhcpv6, Protocol: unix.IPPROTO_UDP, Sport: 547, Dport: 546})
	for _, p := range m.List() {
		pass := netfilter.Pass{Protocol: map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}[p.Protocol], Dport: p.Number}
		if len(m.From) == 0 {
			out = append(out, pass)
		}
		for _, pass.From = range m.From {
			out = append(out, pass)
		}
	}
	return out
}

// lockdownTables puts chains of its own ahead of all others of the filter
// tables.
func lockdownTables(ctx context.Context, backend ruleset.Backend, m verify.Management) error {
	kinds := []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables}
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		d := ruleset.Dump{Kind: kind, Backend: backend, Text: []byte(lockdownSave(kind, m))}
		if err := netfilter.Restore(ctx, d, netfilter.RestoreOptions{NoFlush: true, Wait: DefaultLockWait}); err != nil {
			return err
		}
	}
	return nil
}

func lockdownSave(kind ruleset.Kind, m verify.Management) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*filter\n:%[1]s - [0:0]\n:%[1]s-FWD - [0:0]\n", lockdownChain)
	rule := func(format string, args ...any) {
		fmt.Fprintf(&b, "-A %s %s -j ACCEPT\n", lockdownChain, fmt.Sprintf(format, args...))
	}
	rule("-m conntrack --ctstate RELATED,ESTABLISHED")
	rule("-i lo")
	types, protocol := icmpv4, "icmp -m icmp --icmp-type"
	if kind == ruleset.IP6Tables {
		types, protocol = icmpv6, "ipv6-icmp -m icmp6 --icmpv6-type"
	}
	for _, t := range types {
		rule("-p %s %d", protocol, t)
	}
	if kind == ruleset.IP6Tables {
		rule("-s %s -p udp -m udp --sport 547 --dport 546", dhcpv6)
	} else {
		rule("-p udp -m udp --sport 67 --dport 68")
	}
	for _, p := range m.List() {
		if len(m.From) == 0 {
			rule("-p %[1]s -m %[1]s --dport %[2]d", p.Protocol, p.Number)
		}
		for _, from := range m.From {
			if from.Addr().Is6() == (kind == ruleset.IP6Tables) {
				rule("-s %[3]s -p %[1]s -m %[1]s --dport %[2]d", p.Protocol, p.Number, from)
			}
		}
	}
	fmt.Fprintf(&b, "-A %[1]s -j DROP\n-A %[1]s-FWD -j DROP\n", lockdownChain)
	fmt.Fprintf(&b, "-I INPUT 1 -j %[1]s\n-I FORWARD 1 -j %[1]s-FWD\nCOMMIT\n", lockdownChain)
	return b.String()
}
