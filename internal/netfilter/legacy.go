package netfilter

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// entryLayout is where a legacy family's entries have what matters. The
// structures are ipt_entry, ip6t_entry and arpt_entry of
// linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h and
// linux/netfilter_arp/arp_tables.h.
type entryLayout struct {
	kind          ruleset.Kind
	domain, level int
	getInfo       int      // socket option; the next one gets the entries
	header        []int    // pairs of offsets: the parts of the packet header match
	targetOffset  int      // of target_offset; next_offset follows
	size          int      // of the whole entry without matches
	hooks         []string // chain names by hook number
}

var legacyLayouts = []entryLayout{
	{ruleset.IPTables, unix.AF_INET, unix.SOL_IP, 64, []int{0, 84}, 88, 112,
		[]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
	{ruleset.IP6Tables, unix.AF_INET6, unix.SOL_IPV6, 64, []int{0, 133}, 140, 168,
		[]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
	{ruleset.ARPTables, unix.AF_INET, unix.SOL_IP, 96, []int{0, 159, 160, 162}, 164, 192,
		[]string{"INPUT", "OUTPUT", "FORWARD"}},
}

const (
	tableNameLen = 32 // XT_TABLE_MAXNAMELEN
	entriesStart = 40 // of struct ipt_get_entries, behind name and size
	maxEntries   = 1 << 30
)

// legacyObjects returns the tables of the legacy backend that the namespace
// has. It creates none.
func legacyObjects(names *setNames) ([]objTable, error) {
	var ts []objTable
	for _, l := range legacyLayouts {
		tables, err := legacyTables(l.kind)
		if err != nil {
			return nil, err
		}
		for _, name := range tables {
			info, entries, err := l.read(name)
			if err != nil {
				return nil, fmt.Errorf("read %s legacy table %s: %w", l.kind, name, err)
			}
			chains, err := l.parse(names, info, entries)
			if err != nil {
				return nil, fmt.Errorf("read %s legacy table %s: %w", l.kind, name, err)
			}
			ts = append(ts, objTable{backend: ruleset.Legacy, family: l.kind.Family(), name: name,
				chains: l.named(name, chains)})
		}
	}
	return ts, nil
}

// named gives the built-in chains the hooks that idle knows them by, and sorts.
func (l *entryLayout) named(table string, chains []objChain) []objChain {
	for i := range chains {
		if c := &chains[i]; c.pol != "" {
			c.base = nft.OwnedChains(l.kind.Family(), table)[c.name].String()
		}
	}
	slices.SortFunc(chains, func(a, b objChain) int { return strings.Compare(a.name, b.name) })
	return chains
}

// read returns the struct ipt_getinfo and the entries of a table.
func (l *entryLayout) read(table string) (info, entries []byte, err error) {
	fd, err := unix.Socket(l.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	info = make([]byte, l.infoSize())
	for range dumpTries {
		clear(info)
		copy(info[:tableNameLen-1], table)
		if err := getsockopt(fd, l.level, l.getInfo, info); err != nil {
			return nil, nil, err
		}
		size := native32(info[len(info)-4:])
		if size > maxEntries {
			return nil, nil, fmt.Errorf("%d bytes of entries", size)
		}
		buf := make([]byte, entriesStart+int(size))
		copy(buf[:tableNameLen-1], table)
		copy(buf[tableNameLen:], info[len(info)-4:])
		err := getsockopt(fd, l.level, l.getInfo+1, buf)
		if errors.Is(err, unix.EAGAIN) {
			continue // the table's size changed in between
		}
		if err != nil {
			return nil, nil, err
		}
		return info, buf[entriesStart:], nil
	}
	return nil, nil, ErrChanging
}

// infoSize is the size of ipt_getinfo: name, valid_hooks, hook_entry and
// underflow by hook, num_entries, size.
func (l *entryLayout) infoSize() int { return tableNameLen + 4 + 8*len(l.hooks) + 8 }

// getsockopt is getsockopt(2) with a buffer that holds a request on the way
// in and the answer on the way out.
func getsockopt(fd, level, opt int, buf []byte) error {
	size := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&size)), 0)
	runtime.KeepAlive(buf)
	if errno != 0 {
		return errno
	}
	return nil
}
