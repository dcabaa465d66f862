package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Router is a network namespace with a snapshot loaded, wires, and whoever is
// at their far ends. Make one with NewRouter and Close it. Its methods may be
// called from any goroutine, one at a time.
type Router struct {
	wires  map[string]*wire
	byID   map[int]*wire
	work   chan func()
	gone   chan error
	here   *vnl.Handle // the router's links, addresses and routes
	far    int         // file descriptor of the namespace of the far ends
	farOps *vnl.Handle
	eye    *eye
	conns  *connections
	send4  int // raw sockets of the router
	send6  int
	marks  markRules

	arranged []func() error // what takes the present arrangement back
	barrier  uint32
	nat      bool // translation is at work, see Connect
	ids      uint16
}

// NewRouter makes a router in a new network namespace, with a snapshot loaded
// by this host's own tools; nil loads nothing. It forwards and takes packets
// from any source, whatever the snapshot's sysctls say, which are not loaded:
// what is looked at is the rules. Interfaces of the given names are its wires,
// and lo; more may come by AddWires.
//
// It needs the capabilities of root in its user namespace. An error wraps
// netns.ErrNotPermitted, or is one of netfilter.Load.
func NewRouter(ctx context.Context, s *ruleset.Snapshot, wires ...string) (*Router, error) {
	r := &Router{wires: map[string]*wire{}, byID: map[int]*wire{}, work: make(chan func()), gone: make(chan error, 1), far: -1, send4: -1, send6: -1}
	started := make(chan error, 1)
	go func() {
		err := netns.Do(func() error {
			if err := r.begin(ctx, s); err != nil {
				started <- err
				return nil
			}
			started <- nil
			for f := range r.work {
				f()
			}
			return nil
		})
		if err != nil {
			select {
			case started <- err:
			default:
			}
		}
		r.gone <- err
	}()
	err := <-started
	if err == nil {
		err = r.AddWires(wires...)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close takes the router down, and returns when it is gone.
func (r *Router) Close() error {
	close(r.work)
	err := <-r.gone
	for _, w := range r.wires {
		w.close()
	}
	for _, fd := range []int{r.far, r.send4, r.send6} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	for _, h := range []*vnl.Handle{r.here, r.farOps} {
		if h != nil {
			h.Close()
		}
	}
	if r.eye != nil {
		r.eye.close()
	}
	if r.conns != nil {
		r.conns.close()
	}
	return err
}

// Do runs f on a thread in the router's namespaces: programs that it starts and
// sockets that it opens are the router's.
func (r *Router) Do(f func() error) error {
	done := make(chan error)
	r.work <- func() { done <- f() }
	return <-done
}

// sysctls make a router of a namespace that does what the rules say and
// nothing else: each source is taken, each rejection is told, and it speaks of
// itself as little as it can.
var sysctls = []ruleset.Sysctl{
	{Key: "net.ipv4.ip_forward", Value: "1"},
	{Key: "net.ipv4.conf.all.rp_filter", Value: "0"}, {Key: "net.ipv4.conf.default.rp_filter", Value: "0"},
	{Key: "net.ipv4.conf.all.accept_local", Value: "1"}, {Key: "net.ipv4.conf.all.route_localnet", Value: "1"},
	{Key: "net.ipv4.conf.all.send_redirects", Value: "0"}, {Key: "net.ipv4.conf.default.send_redirects", Value: "0"},
	{Key: "net.ipv4.icmp_ratelimit", Value: "0"}, {Key: "net.ipv4.icmp_ratemask", Value: "0"},
	{Key: "net.ipv4.icmp_echo_ignore_all", Value: "1"},
}

var sysctls6 = []ruleset.Sysctl{
	{Key: "net.ipv6.conf.all.forwarding", Value: "1"}, {Key: "net.ipv6.icmp.ratelimit", Value: "0"},
	{Key: "net.ipv6.conf.default.accept_dad", Value: "0"}, {Key: "net.ipv6.conf.default.accept_ra", Value: "0"},
	{Key: "net.ipv6.conf.default.addr_gen_mode", Value: "1"}, {Key: "net.ipv6.icmp.echo_ignore_all", Value: "1"},
}

// begin makes the namespaces. It runs on the router's thread.
func (r *Router) begin(ctx context.Context, s *ruleset.Snapshot) error {
	if err := oneProcessor(); err != nil {
		return err
	}
	if err := netfilter.SetSysctls(sysctls); err != nil {
		return err
	}
	if err := netfilter.SetSysctls(sysctls6); err != nil && hasIPv6() {
		return err
	}
	var err error
	if r.here, err = vnl.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	if err := r.makeFar(); err != nil {
		return err
	}
	if err := r.openSenders(); err != nil {
		return err
	}
	if r.conns, err = openConnections(); err != nil {
		return err
	}
	if s != nil {
		bare := *s
		bare.Sysctls = nil
		if err := netfilter.Load(ctx, &bare); err != nil {
			return err
		}
	}
	if r.eye, err = openEye(ctx); err != nil {
		return err
	}
	return r.addLoopback()
}

// oneProcessor keeps the thread on the processor that it is on: frames that it
// sends are then dealt with in their order.
func oneProcessor() error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	n := int(farNumber.Add(1)) % may.Count()
	for i := range runtime.NumCPU() * 64 {
		if may.IsSet(i) {
			if n == 0 {
				one.Set(i)
				break
			}
			n--
		}
	}
	return unix.SchedSetaffinity(0, &one)
}

// makeFar makes the namespace of the far ends, and comes back from it.
func (r *Router) makeFar() error {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if r.far, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	// It hears and sends frames alone: an IP stack there would answer.
	err = netfilter.SetSysctls([]ruleset.Sysctl{{Key: "net.ipv6.conf.default.disable_ipv6", Value: "1"}})
	if err != nil && hasIPv6() {
		return err
	}
	if r.farOps, err = vnl.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	return unix.Setns(home, unix.CLONE_NEWNET)
}

// inFar runs f in the namespace of the far ends. It runs on the router's thread.
func (r *Router) inFar(f func() error) error {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	if err := unix.Setns(r.far, unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	return errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET))
}

// openSenders opens the sockets that the router's own packets leave by: raw
// ones, which write the IP header themselves, see raw(7).
func (r *Router) openSenders() (err error) {
	if r.send4, err = openSender(false); err != nil || !hasIPv6() {
		return err
	}
	r.send6, err = openSender(true)
	return err
}

func openSender(v6 bool) (int, error) {
	domain, level, option := unix.AF_INET, unix.SOL_SOCKET, unix.SO_BROADCAST
	if v6 {
		domain, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, ipv6HeaderIncluded
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

const ipv6HeaderIncluded = 36 // IPV6_HDRINCL of linux/in6.h

// hasIPv6 says whether this kernel has IPv6.
func hasIPv6() bool {
	return unix.Access("/proc/sys/net/ipv6", unix.F_OK) == nil
}

// Wires returns the names of the router's wires, lo among them.
func (r *Router) Wires() []string {
	var out []string
	for name := range r.wires {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Address returns the router's own address on a wire: that which MASQUERADE
// gives, if no Arrangement says otherwise.
func (r *Router) Address(name string, v6 bool) netip.Addr {
	w := r.wires[name]
	if w == nil {
		return netip.Addr{}
	}
	return w.address(v6)
}

// errNoWire says that the router has no wire of a name.
func errNoWire(name string) error { return fmt.Errorf("the router has no interface %q", name) }
