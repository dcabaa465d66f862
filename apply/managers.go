package apply

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// manager is a program that is known to keep content of its own in the
// firewall of a host. What it is known by comes from its sources; a name in
// them proves nothing, so that what is kept by it is always listed, and counts
// only where the program is known to put it.
type manager struct {
	name string
	// chains, sets and tables are patterns, as Keep has them, of its xtables
	// chains, its ipsets, and its native tables as "FAMILY NAME".
	chains, sets, tables Keep
	// hooks are the chains of the kernel's, as "TABLE HOOK", in which it puts
	// rules that jump to its chains; nil for any.
	hooks []string
	// policies are the chains of the kernel's, as "TABLE HOOK", whose policy it
	// sets to DROP.
	policies []string
	// closes says that its chains drop and reject, and never accept.
	closes bool
	// rule recognises a rule that it puts into a chain of the kernel's and that
	// jumps to no chain of its own; nil where there is none.
	rule func(m *manager, w *witness, table, hook, text string) bool
}

// managers are the programs that vouch for their content without --keep.
var managers = []manager{
	{
		// moby/moby: daemon/libnetwork/drivers/bridge/internal/iptabler
		// (iptabler.go, network.go) and nftabler; of earlier releases
		// libnetwork/firewall_linux.go (DOCKER-USER), drivers/bridge/
		// setup_ip_tables_linux.go (isolation), service_linux.go
		// (DOCKER-INGRESS).
		name:     "Docker",
		chains:   Keep{"DOCKER", "DOCKER-*"},
		sets:     Keep{"docker-ext-bridges-v[46]"},
		tables:   Keep{"ip docker-bridges", "ip6 docker-bridges"},
		hooks:    []string{"filter FORWARD", "nat PREROUTING", "nat OUTPUT", "nat POSTROUTING"},
		policies: []string{"filter FORWARD"},
		rule:     dockerRule,
	},
	{
		// kubernetes/kubernetes: pkg/proxy/{iptables,ipvs,nftables}/proxier.go,
		// pkg/kubelet/kubelet_network_linux.go. projectcalico/calico:
		// felix/rules/rule_defs.go. containernetworking/plugins:
		// plugins/meta/portmap, pkg/ip/ipmasq_*.go. flannel-io/flannel:
		// pkg/trafficmngr. cilium/cilium: pkg/datapath/iptables. antrea-io/antrea:
		// pkg/agent/route. cloudnativelabs/kube-router: pkg/utils/ipset.go.
		// kubernetes-sigs/ip-masq-agent. Azure/azure-container-networking: npm.
		name: "Kubernetes",
		chains: Keep{"KUBE-*", "cali-*", "cali[tfp][whio]-*", "CNI-*", "FLANNEL-*", "CILIUM_*", "OLD_CILIUM_*",
			"ANTREA-*", "AZURE-NPM", "AZURE-NPM-*", "IP-MASQ-AGENT"},
		sets: Keep{"KUBE-*", "cali[46]0*", "cilium_node_set_v[46]", "ANTREA-*", "azure-npm-*",
			"kube-router-*", "inet6:kube-router-*", "inet6:KUBE-*"},
		tables: Keep{"ip kube-proxy", "ip6 kube-proxy", "ip calico", "ip6 calico", "ip flannel-ipv4", "ip6 flannel-ipv6",
			"inet cni_hostport", "inet cni_plugins_masquerade"},
		rule: kubernetesRule,
	},
	{
		// libvirt: src/network/network_iptables.c, network_nftables.c
		// (VIR_NFTABLES_PRIVATE_TABLE), src/nwfilter/nwfilter_ebiptables_driver.c.
		// The rules that releases before 5.1 put straight into the kernel's
		// chains say nothing of their origin, and nobody vouches for them.
		name: "libvirt",
		chains: Keep{"LIBVIRT_*", "libvirt-in", "libvirt-out", "libvirt-in-post", "libvirt-host-in",
			"libvirt-[IOJP]-*"},
		tables: Keep{"ip libvirt_network", "ip6 libvirt_network"},
		hooks: []string{"filter INPUT", "filter FORWARD", "filter OUTPUT", "nat POSTROUTING", "mangle POSTROUTING",
			"nat PREROUTING"},
	},
	{
		// containers/netavark: src/firewall/varktables/types.rs, src/firewall/nft.rs.
		name:   "Podman",
		chains: Keep{"NETAVARK-*", "NETAVARK_*"},
		tables: Keep{"inet netavark"},
		hooks:  []string{"filter INPUT", "filter FORWARD", "nat PREROUTING", "nat OUTPUT", "nat POSTROUTING"},
	},
	{
		// canonical/lxd: lxd/firewall/drivers, lxc/incus:
		// internal/server/firewall/drivers: drivers_xtables.go, drivers_nftables.go.
		name:   "LXD",
		chains: Keep{"lxd_nic_*", "lxd_acl_*"},
		tables: Keep{"* lxd"},
		hooks:  []string{"filter INPUT", "filter FORWARD", "filter OUTPUT"},
		rule:   generatedFor("LXD"),
	},
	{
		name:   "Incus",
		chains: Keep{"incus_nic_*", "incus_acl_*"},
		tables: Keep{"* incus"},
		hooks:  []string{"filter INPUT", "filter FORWARD", "filter OUTPUT"},
		rule:   generatedFor("Incus"),
	},
	{
		// tailscale/tailscale: util/linuxfw/iptables_runner.go, nftables_runner.go.
		name:   "Tailscale",
		chains: Keep{"ts-input", "ts-forward", "ts-postrouting"},
		hooks:  []string{"filter INPUT", "filter FORWARD", "nat POSTROUTING"},
	},
	{
		// fail2ban/fail2ban: config/action.d/iptables.conf, iptables-ipset.conf,
		// nftables.conf; iptables-common.conf of before 0.11.
		name:   "fail2ban",
		chains: Keep{"f2b-*", "fail2ban-*"},
		sets:   Keep{"f2b-*", "fail2ban-*"},
		tables: Keep{"* f2b-table"},
		closes: true,
		rule:   fail2banRule,
	},
}

// Rival is a program that takes the whole firewall of a host for its own, as
// fwc does.
type Rival struct {
	Name string // "ufw"
	Stop string // the command that ends its rule
	// chains and tables are as of a manager.
	chains, tables Keep
}

var rivals = []Rival{
	{
		// ufw: src/ufw-init-functions, conf/before.rules.
		Name: "ufw", Stop: "ufw disable",
		chains: Keep{"ufw-*", "ufw6-*"},
	},
	{
		// firewalld/firewalld: src/firewall/core/ipXtables.py, nftables.py.
		Name: "firewalld", Stop: "systemctl disable --now firewalld",
		chains: Keep{"INPUT_ZONES", "INPUT_ZONES_SOURCE", "INPUT_direct", "FORWARD_IN_ZONES", "FORWARD_ZONES", "PREROUTING_ZONES"},
		tables: Keep{"* firewalld"},
	},
}

// rivalIn returns the rival whose content is in a list, or nil.
func rivalIn(list []Foreign) *Rival {
	for i := range rivals {
		r := &rivals[i]
		if slices.ContainsFunc(list, func(f Foreign) bool {
			return f.Kind == "chain" && f.Family.XTables() != "" && r.chains.match(f.Chain) != "" ||
				f.Kind == "table" && r.tables.match(nativeName(f.Family, f.Table)) != ""
		}) {
			return r
		}
	}
	return nil
}

func nativeName(family ruleset.Family, table string) string { return string(family) + " " + table }
