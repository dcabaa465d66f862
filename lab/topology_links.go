package lab

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// switchName is the namespace of the bridges, which no host can be called.
const switchName = "+switch"

// network makes the links of a network: one wire between two hosts, or a bridge
// with a wire to each. Bridges are in a namespace of their own, where the
// router's rules do not see what passes them.
func (t *topology) network(i int) error {
	net := &t.spec.Networks[i]
	if err := t.enter(t.base); err != nil {
		return err
	}
	if len(net.Members) == 2 {
		a, b := net.Members[0], net.Members[1]
		link := &netlink.Veth{LinkAttrs: t.attrs(a.Interface, t.node(a.Host).ns, mac(i, 0)),
			PeerName: b.Interface, PeerHardwareAddr: mac(i, 1), PeerNamespace: netlink.NsFd(t.node(b.Host).ns)}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("link of %s and %s: %w", a.Host, b.Host, err)
		}
		return errors.Join(t.up(a), t.up(b))
	}
	if err := t.makeSwitch(); err != nil {
		return err
	}
	bridge := fmt.Sprintf("br%d", i)
	if err := t.sw.handle.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge, TxQLen: -1}}); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	br, err := t.sw.handle.LinkByName(bridge)
	if err != nil {
		return err
	}
	if err := t.sw.handle.LinkSetUp(br); err != nil {
		return err
	}
	for j, m := range net.Members {
		port := fmt.Sprintf("p%d.%d", i, j)
		link := &netlink.Veth{LinkAttrs: t.attrs(m.Interface, t.node(m.Host).ns, mac(i, j)),
			PeerName: port, PeerNamespace: netlink.NsFd(t.sw.ns)}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("link of %s: %w", m.Host, err)
		}
		p, err := t.sw.handle.LinkByName(port)
		if err != nil {
			return err
		}
		if err := t.sw.handle.LinkSetMaster(p, br); err != nil {
			return err
		}
		if err := errors.Join(t.sw.handle.LinkSetUp(p), t.up(m)); err != nil {
			return err
		}
	}
	return nil
}

func (t *topology) makeSwitch() (err error) {
	if t.sw != nil {
		return nil
	}
	if t.sw, err = t.namespace(switchName); err != nil {
		return fmt.Errorf("namespace of the bridges: %w", err)
	}
	// A bridge has no address and speaks no IPv6 of its own, and hands
	// nothing to iptables where br_netfilter is loaded.
	for _, s := range []Setting{
		{"net.ipv6.conf.all.disable_ipv6", "1"}, {"net.ipv6.conf.default.disable_ipv6", "1"},
		{"net.bridge.bridge-nf-call-iptables", "0"}, {"net.bridge.bridge-nf-call-ip6tables", "0"}, {"net.bridge.bridge-nf-call-arptables", "0"},
	} {
		if err := writeSysctl(s); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return t.enter(t.base)
}

func (t *topology) attrs(name string, ns int, hw net.HardwareAddr) netlink.LinkAttrs {
	return netlink.LinkAttrs{Name: name, TxQLen: -1, HardwareAddr: hw, Namespace: netlink.NsFd(ns)}
}

func (t *topology) up(m Member) error {
	n := t.node(m.Host)
	link, err := n.handle.LinkByName(m.Interface)
	if err != nil {
		return fmt.Errorf("interface %s of %s: %w", m.Interface, m.Host, err)
	}
	return n.handle.LinkSetUp(link)
}

// mac is locally administered, and says the network and the place in it.
func mac(network, place int) net.HardwareAddr {
	return net.HardwareAddr{2, 0, byte(network >> 8), byte(network), byte(place >> 8), byte(place + 1)}
}

// wholeCPU binds every thread of the process to one processor that it may use,
// the nth. Packets between namespaces wait in one queue a processor (netif_rx),
// so that on one they are dealt with in the order in which they were sent.
func wholeCPU(nth int) error {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	var list []int
	for i := range len(may) * 64 {
		if may.IsSet(i) {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return errors.New("no processor to run on")
	}
	var one unix.CPUSet
	one.Set(list[nth%len(list)])
	// Threads that are begun meanwhile have the set of the one that began
	// them: go round until there is none left that lacks it.
	for again := true; again; {
		again = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, e := range tasks {
			var tid int
			if _, err := fmt.Sscan(e.Name(), &tid); err != nil {
				continue
			}
			var has unix.CPUSet
			if unix.SchedGetaffinity(tid, &has) != nil || has == one {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &one); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("bind to a processor: %w", err)
			}
			again = true
		}
	}
	return nil
}
