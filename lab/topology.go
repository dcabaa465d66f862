package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	own "github.com/fwc-dev/fwc/internal/netns"
)

// namesDir is where ip(8) looks for the names of network namespaces.
const namesDir = "/run/netns"

// topology is a spec's network in the kernel: a namespace for each host, and
// one for the bridges. Its methods run on the one locked thread that made it.
type topology struct {
	spec  *Spec
	base  int // the namespace that the thread began in
	nodes []*node
	sw    *node // holds the bridges; nil without any
}

// node is one network namespace.
type node struct {
	name   string
	ns     int
	handle *netlink.Handle
	// local are its addresses.
	local map[netip.Addr]bool
	// index is that of each interface.
	index map[string]int
	// frames is the socket that hears what comes to it and leaves it.
	frames int
}

// buildTopology makes the namespaces and links of a spec. The calling thread
// must be locked and in namespaces that end with the process, with a /run of
// its own.
func buildTopology(spec *Spec) (t *topology, err error) {
	t = &topology{spec: spec}
	if t.base, err = openNetns(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(namesDir, 0o755); err != nil {
		return nil, err
	}
	for _, h := range spec.Hosts {
		n, err := t.namespace(h.Name)
		if err != nil {
			return nil, fmt.Errorf("namespace of %s: %w", h.Name, err)
		}
		t.nodes = append(t.nodes, n)
	}
	for i := range spec.Networks {
		if err := t.network(i); err != nil {
			return nil, fmt.Errorf("network %s: %w", spec.Networks[i].Name, err)
		}
	}
	for i := range spec.Hosts {
		if err := t.finish(&spec.Hosts[i]); err != nil {
			return nil, fmt.Errorf("host %s: %w", spec.Hosts[i].Name, err)
		}
	}
	return t, t.enter(t.base)
}

func openNetns() (int, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a network namespace: %w", err)
	}
	return fd, nil
}

func (t *topology) enter(ns int) error {
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	return nil
}

// in runs fn in a node's namespace.
func (t *topology) in(n *node, fn func() error) error {
	if err := t.enter(n.ns); err != nil {
		return err
	}
	return errors.Join(fn(), t.enter(t.base))
}

func (t *topology) node(name string) *node {
	for _, n := range t.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// namespace makes a network namespace, with a name that ip netns knows, and
// leaves the thread in it.
func (t *topology) namespace(name string) (*node, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	n := &node{name: name, local: map[netip.Addr]bool{}, index: map[string]int{}}
	var err error
	if n.ns, err = openNetns(); err != nil {
		return nil, err
	}
	if err := own.LoopbackUp(); err != nil {
		return nil, err
	}
	if err := defaults(); err != nil {
		return nil, err
	}
	if n.handle, err = netlink.NewHandleAt(netns.NsHandle(n.ns), unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	path := filepath.Join(namesDir, name)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	f.Close()
	return n, unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
}

// defaults are what a namespace begins with whatever the machine is set to, as
// some take over the machine's values. Addresses count at once, nothing is
// learnt from the network, no answer is held back for its rate, and a kernel
// that has waited for an answer does not send again: what comes late would be
// taken for the next test's.
func defaults() error {
	for _, s := range []Setting{
		{"net.ipv4.ip_forward", "0"}, {"net.ipv6.conf.all.forwarding", "0"},
		{"net.ipv4.conf.all.rp_filter", "0"}, {"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv4.conf.all.send_redirects", "0"}, {"net.ipv4.conf.default.send_redirects", "0"},
		{"net.ipv4.conf.all.accept_redirects", "0"}, {"net.ipv4.conf.default.accept_redirects", "0"},
		{"net.ipv6.conf.all.disable_ipv6", "0"}, {"net.ipv6.conf.default.disable_ipv6", "0"},
		{"net.ipv6.conf.all.accept_dad", "0"}, {"net.ipv6.conf.default.accept_dad", "0"},
		{"net.ipv6.conf.all.accept_ra", "0"}, {"net.ipv6.conf.default.accept_ra", "0"},
		{"net.ipv4.icmp_echo_ignore_all", "0"}, {"net.ipv4.icmp_ratelimit", "0"}, {"net.ipv6.icmp.ratelimit", "0"},
		{"net.ipv4.icmp_msgs_per_sec", "100000"}, {"net.ipv4.icmp_msgs_burst", "100000"},
		{"net.ipv4.tcp_synack_retries", "0"}, {"net.ipv4.tcp_syn_retries", "1"}, {"net.ipv4.tcp_challenge_ack_limit", "1000000"},
		{"net.ipv4.ip_local_port_range", "32768 39999"},
	} {
		err := writeSysctl(s)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !(errors.Is(err, os.ErrPermission) && slices.Contains(sometimesGlobal, s.Key)) {
			return err
		}
	}
	return nil
}

// sometimesGlobal are the keys that older kernels have for all namespaces
// together, and so not for these.
var sometimesGlobal = []string{"net.ipv4.icmp_msgs_per_sec", "net.ipv4.icmp_msgs_burst", "net.ipv4.tcp_challenge_ack_limit"}

// writeSysctl sets a key of the calling thread's network namespace.
func writeSysctl(s Setting) error {
	// As sysctl(8): a / in a key stands for a dot in the name of an interface.
	path := strings.NewReplacer(".", "/", "/", ".").Replace(s.Key)
	if strings.Contains("/"+path+"/", "/../") || !strings.HasPrefix(path, "net/") {
		return fmt.Errorf("%s is no sysctl of a network namespace", s.Key)
	}
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(s.Value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", s.Key, s.Value, err)
	}
	return nil
}

// finish brings a host's interfaces up, and writes routes and sysctls.
func (t *topology) finish(h *Host) error {
	n := t.node(h.Name)
	members := t.spec.Interfaces(h.Name)
	if err := t.enter(n.ns); err != nil {
		return err
	}
	if h.Name == RouterName || len(members) > 1 {
		for _, s := range []Setting{{"net.ipv4.ip_forward", "1"}, {"net.ipv6.conf.all.forwarding", "1"}} {
			if err := writeSysctl(s); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	for _, s := range h.Sysctls {
		if err := writeSysctl(s); err != nil {
			return err
		}
	}
	for _, m := range members {
		link, err := n.handle.LinkByName(m.Interface)
		if err != nil {
			return fmt.Errorf("interface %s: %w", m.Interface, err)
		}
		n.index[m.Interface] = link.Attrs().Index
		for _, a := range m.Addresses {
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}}
			if a.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := n.handle.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("address %s on %s: %w", a, m.Interface, err)
			}
			n.local[a.Addr()] = true
		}
	}
	for _, r := range t.spec.routesOf(h) {
		dst := &net.IPNet{IP: r.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(r.Prefix.Bits(), r.Prefix.Addr().BitLen())}
		if err := n.handle.RouteReplace(&netlink.Route{Dst: dst, Gw: r.Via.AsSlice()}); err != nil {
			return fmt.Errorf("route %s via %s: %w", r.Prefix, r.Via, err)
		}
	}
	return nil
}
