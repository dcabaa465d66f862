// Package netfilter is the only code of fwc that runs iptables, ip6tables,
// arptables, ebtables, ipset and nft, and the only code that speaks netlink
// and the legacy xtables socket options.
//
// Every function acts on the network and mount namespace of the calling
// thread: inside netns.Do it acts on the throwaway namespace. A goroutine that
// is not locked to its thread acts on the process's own.
package netfilter

// Scope says what Capture reads beside the netfilter state itself.
type Scope struct {
	// Sysctls are the keys to read, as sysctl(8) writes them, such as
	// net.ipv4.ip_forward or net.ipv4.conf.eth0/1.forwarding. A key that the
	// namespace does not have is left out of the snapshot.
	Sysctls []string
	// Counters has CaptureRaw print the rules' counters, as iptables-save -c,
	// arptables-save -c and ebtables-save -c do; those of legacy arptables
	// and ebtables are left out. A Snapshot has none.
	Counters bool
	// Impatient gives up after a few attempts if others change the ruleset
	// while it is read, in the place of seconds.
	Impatient bool
}
