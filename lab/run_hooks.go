package lab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// hookLog hears of the packets that pass the ends of the router's hooks: rules of
// a table of the lab's own log them. It hangs on none of the firewall's tables,
// and unlike a Router's eye it asks for no connection tracking: whether there is
// any is the firewall's business.
type hookLog struct {
	eye *eye
	buf []byte
	// secret begins what the lab's rules log, which the firewall's own can log
	// to the same group, but not foretell.
	secret string
}

// The table's chains behind all rules are made ahead of the firewall and those
// before all rules after it: of two at one priority the kernel calls the later
// one first (nf_hook_entries_grow), so that none is without them, whatever
// priorities its chains have. Only conntrack may confirm behind them.
const (
	lateRules = `add table inet %[1]s
add chain inet %[1]s through { type filter hook prerouting priority 2147483647; }
add chain inet %[1]s taken { type filter hook input priority 2147483647; }
add chain inet %[1]s gone { type filter hook postrouting priority 2147483647; }
add rule inet %[1]s through log prefix "%[3]sthrough" group %[2]d queue-threshold 1
add rule inet %[1]s taken log prefix "%[3]staken" group %[2]d queue-threshold 1
add rule inet %[1]s gone log prefix "%[3]sgone" group %[2]d queue-threshold 1
`
	earlyRules = `add chain inet %[1]s in { type filter hook input priority -2147483648; }
add chain inet %[1]s forward { type filter hook forward priority -2147483648; }
add chain inet %[1]s out { type filter hook output priority -2147483648; }
add rule inet %[1]s in log prefix "%[3]smet" group %[2]d queue-threshold 1
add rule inet %[1]s forward log prefix "%[3]smet" group %[2]d queue-threshold 1
add rule inet %[1]s out log prefix "%[3]smade" group %[2]d queue-threshold 1
`
)

var hookPlaces = map[string]place{"through": through, "met": met, "made": made, "taken": taken, "gone": gone}

// firewall loads the snapshot into the router, and hangs the lab's own table
// around it.
func (b *rig) firewall(ctx context.Context) error {
	return b.top.in(b.router, func() error {
		if slices.ContainsFunc(b.snap.Tables, func(t ruleset.Table) bool { return t.Native && t.Family == ruleset.Inet && t.Name == eyeTable }) {
			return fmt.Errorf("the firewall has a table inet %s, which is what the lab's own is called", eyeTable)
		}
		secret := rand.Text() + " "
		add := func(ctx context.Context, rules string) error {
			return netfilter.RunNFT(ctx, fmt.Appendf(nil, rules, eyeTable, eyeGroup, secret))
		}
		if err := add(ctx, lateRules); err != nil {
			return err
		}
		here := *b.snap
		here.Sysctls = slices.DeleteFunc(slices.Clone(here.Sysctls), func(s ruleset.Sysctl) bool { return b.elsewhere(s) || clocked[s.Key] })
		if err := netfilter.Load(ctx, &here); err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		b.hooks = &hookLog{eye: &eye{fd}, buf: make([]byte, 1<<18), secret: secret}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<20)
		}
		attrs := attribute(nil, logCommand, []byte{logBind})
		attrs = attribute(attrs, logMode, append(binary.BigEndian.AppendUint32(nil, 0xffff), logCopyPacket, 0))
		attrs = attribute(attrs, logThreshold, binary.BigEndian.AppendUint32(nil, 1))
		if err := b.hooks.eye.configure(attrs); err != nil {
			return fmt.Errorf("nfnetlink_log: %w", err)
		}
		if err := add(ctx, earlyRules); err != nil {
			return err
		}
		return b.loop.watch(fd, unix.EPOLLIN, func(uint32) error { return b.hookEvents() })
	})
}

// clocked are sysctls that limit how often the kernel answers: with them a test
// would depend on how long ago others were. The lab has its own for all of them.
var clocked = map[string]bool{
	"net.ipv4.icmp_ratelimit": true, "net.ipv4.icmp_ratemask": true, "net.ipv4.icmp_msgs_per_sec": true, "net.ipv4.icmp_msgs_burst": true,
	"net.ipv6.icmp.ratelimit": true, "net.ipv6.icmp.ratemask": true, "net.ipv4.tcp_challenge_ack_limit": true, "net.ipv4.tcp_invalid_ratelimit": true,
	"net.ipv4.tcp_syn_retries": true, "net.ipv4.tcp_synack_retries": true,
}

// elsewhere says whether a sysctl is of an interface that the lab's router has
// not: no packet of the lab goes by it.
func (b *rig) elsewhere(s ruleset.Sysctl) bool {
	f := strings.Split(s.Key, ".")
	if len(f) < 5 || f[2] != "conf" && f[2] != "neigh" {
		return false
	}
	_, has := b.router.index[strings.ReplaceAll(f[3], "/", ".")]
	return !has && !slices.Contains([]string{"all", "default", "lo"}, f[3])
}

func (b *rig) hookEvents() error {
	for {
		n, _, err := unix.Recvfrom(b.hooks.eye.fd, b.hooks.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			return errors.New("the router's packets are more than there is room to hear of")
		case err != nil:
			return fmt.Errorf("nfnetlink_log: %w", err)
		}
		for m := b.hooks.buf[:n]; len(m) >= messageHeader+netfilterHeader; {
			size := int(binary.NativeEndian.Uint32(m))
			if size < messageHeader+netfilterHeader || size > len(m) {
				break
			}
			if binary.NativeEndian.Uint16(m[4:]) == unix.NFNL_SUBSYS_ULOG<<8 {
				b.hookEvent(m[messageHeader+netfilterHeader : size])
			}
			m = m[min((size+3)&^3, len(m)):]
		}
	}
}

func (b *rig) hookEvent(m []byte) {
	var mark uint32
	var packet []byte
	where, known := met, false
	for kind, v := range attributesOf(m) {
		switch kind {
		case logMark:
			if len(v) >= 4 {
				mark = binary.BigEndian.Uint32(v)
			}
		case logPrefix:
			if name, ours := strings.CutPrefix(unix.ByteSliceToString(v), b.hooks.secret); ours {
				where, known = hookPlaces[name]
			}
		case logPayload:
			packet = v
		}
	}
	if known && packet != nil {
		b.saw(b.router, where, mark, slices.Clone(packet))
	}
}
