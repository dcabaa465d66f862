package compiler

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Some sysctls below net exist, or can be set, in a host's first network
// namespace only. Scripts set them all the same: staging shows ordinary files
// in their places, and what a script writes there is what it wants of the
// host.
const (
	wantedDir  = toolDir + "/wanted" // the stand-ins, by path below /proc/sys
	sysctlsDir = toolDir + "/sysctl" // the real /proc/sys/net
)

// firstOnly are such sysctls, and values for a build host that has them not
// because it is itself in a namespace. They are the tables that the kernel
// registers for init_net alone, or makes read-only elsewhere: net_core_table
// in net/core/sysctl_net_core.c, ipv4_table in net/ipv4/sysctl_net_ipv4.c,
// ipv4_route_table in net/ipv4/route.c, nf_ct_sysctl_table in
// net/netfilter/nf_conntrack_standalone.c.
var firstOnly = map[string]string{
	"net/core/bpf_jit_enable": "1", "net/core/bpf_jit_harden": "0", "net/core/busy_poll": "0", "net/core/busy_read": "0",
	"net/core/default_qdisc": "pfifo_fast", "net/core/dev_weight": "64", "net/core/message_burst": "10", "net/core/message_cost": "5",
	"net/core/netdev_budget": "300", "net/core/netdev_budget_usecs": "2000", "net/core/netdev_max_backlog": "1000",
	"net/core/netdev_tstamp_prequeue": "1", "net/core/rmem_default": "212992", "net/core/rmem_max": "212992",
	"net/core/rps_sock_flow_entries": "0", "net/core/warnings": "0", "net/core/wmem_default": "212992", "net/core/wmem_max": "212992",
	"net/ipv4/inet_peer_maxttl": "600", "net/ipv4/inet_peer_minttl": "120", "net/ipv4/inet_peer_threshold": "65664",
	"net/ipv4/route/error_burst": "1250", "net/ipv4/route/error_cost": "250", "net/ipv4/route/gc_elasticity": "8",
	"net/ipv4/route/gc_interval": "60", "net/ipv4/route/gc_min_interval": "0", "net/ipv4/route/gc_min_interval_ms": "500",
	"net/ipv4/route/gc_thresh": "-1", "net/ipv4/route/gc_timeout": "300", "net/ipv4/route/max_size": "2147483647",
	"net/ipv4/route/redirect_load": "5", "net/ipv4/route/redirect_number": "9", "net/ipv4/route/redirect_silence": "5120",
	"net/ipv4/tcp_low_latency": "0", "net/ipv4/tcp_max_orphans": "65536", "net/ipv4/tcp_mem": "94146 125531 188292",
	"net/ipv4/udp_mem": "188295 251063 376590", "net/ipv6/mld_max_msf": "64", "net/ipv6/mld_qrv": "2",
	"net/netfilter/nf_conntrack_buckets": "65536", "net/netfilter/nf_conntrack_expect_max": "1024",
	"net/netfilter/nf_conntrack_max": "262144", "net/netfilter/nf_log_all_netns": "0", "net/nf_conntrack_max": "262144",
}

// hostKey is a sysctl of the build host.
type hostKey struct{ Path, Value string }

// maxValue bounds a sysctl's value, in bytes.
const maxValue = 1000

// hostKeys returns the sysctls of the calling process's network namespace that
// can be written, those of single interfaces aside, and firstOnly.
func hostKeys() []hostKey {
	values := maps.Clone(firstOnly)
	_ = filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if d.IsDir() {
			if d.Name() == "conf" || d.Name() == "neigh" {
				return fs.SkipDir
			}
			return nil
		}
		if fi, err := d.Info(); err != nil || fi.Mode()&0o200 == 0 || fi.Mode()&0o400 == 0 {
			return nil
		}
		// Not for an ordinary user: tcp_fastopen_key, bpf_jit_kallsyms.
		if text, err := os.ReadFile(path); err == nil && len(text) <= maxValue {
			values[strings.TrimPrefix(path, "/proc/sys/")] = strings.TrimSpace(string(text))
		}
		return nil
	})
	var keys []hostKey
	for _, path := range slices.Sorted(maps.Keys(values)) {
		keys = append(keys, hostKey{path, values[path]})
	}
	return keys
}

// standIns are the files that stand for sysctls of the first namespace.
type standIns struct {
	root  string
	watch *sysctlWatch
}

// plant puts them into a root whose /proc/sys/net is the namespace's own.
func (w *standIns) plant(root string, keys []hostKey) error {
	w.root = root
	read := map[string]bool{} // directories that need an entry they have not
	for _, k := range keys {
		path := filepath.Join(root, "proc/sys", k.Path)
		fi, err := os.Lstat(path)
		if err == nil && fi.Mode()&0o200 != 0 {
			continue
		}
		stand := filepath.Join(root, wantedDir, k.Path)
		if err := os.MkdirAll(filepath.Dir(stand), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(stand, []byte(k.Value+"\n"), 0o644); err != nil {
			return err
		}
		if err == nil {
			if err := unix.Mount(stand, path, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind over %s: %w", k.Path, err)
			}
			continue
		}
		read[filepath.Dir(k.Path)] = true
	}
	if len(read) > 0 {
		if err := w.mirror(slices.Sorted(maps.Keys(read))); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(root, wantedDir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var err error
	w.watch, err = watchSysctls(filepath.Join(root, wantedDir))
	return err
}

// mirror replaces directories of /proc/sys, which take no new files, by ones
// that show the real files and the stand-ins. They are sorted, so that one
// comes before those in it.
func (w *standIns) mirror(dirs []string) error {
	real := filepath.Join(w.root, sysctlsDir)
	if err := os.MkdirAll(real, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(filepath.Join(w.root, "proc/sys/net"), real, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind /proc/sys/net: %w", err)
	}
	for _, dir := range dirs {
		if dir == "net" {
			continue // the kernel's alone: its entries are directories
		}
		if err := w.mirrorOne(dir); err != nil {
			return fmt.Errorf("stand in for /proc/sys/%s: %w", dir, err)
		}
	}
	return nil
}

func (w *standIns) mirrorOne(dir string) error {
	at := filepath.Join(w.root, "proc/sys", dir)
	if fi, err := os.Stat(at); err != nil || !fi.IsDir() {
		return nil // the kernel has nothing of the kind
	}
	source := filepath.Join(sysctlsDir, strings.TrimPrefix(dir, "net/"))
	entries, err := os.ReadDir(filepath.Join(w.root, source))
	if err != nil {
		return err
	}
	if err := mountTmpfs(at, 1<<20, 2000); err != nil {
		return err
	}
	// Links, since a hundred mounts cost more than all else in making staging.
	// sysctl(8) follows them and wants to end below /proc/sys: what they lead
	// to is in hidden directories beside them.
	hidden := map[string]string{realName: source, wantedName: filepath.Join(wantedDir, dir)}
	for name, from := range hidden {
		if err := bindDir(filepath.Join(w.root, from), filepath.Join(at, name)); err != nil {
			return err
		}
	}
	for _, e := range entries {
		path := filepath.Join(at, e.Name())
		if e.IsDir() {
			err = bindDir(filepath.Join(w.root, source, e.Name()), path) // for find(1)
		} else {
			err = os.Symlink(filepath.Join(realName, e.Name()), path)
		}
		if err != nil {
			return err
		}
	}
	stands, err := os.ReadDir(filepath.Join(w.root, wantedDir, dir))
	if err != nil {
		return err
	}
	for _, e := range stands {
		// What can be read in a namespace is there already.
		if err := os.Symlink(filepath.Join(wantedName, e.Name()), filepath.Join(at, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return remountReadOnly(at)
}

// The hidden directories of a mirrored one.
const (
	realName   = ".real"
	wantedName = ".wanted"
)

// bindDir binds a directory, with what is mounted in it, to a new one.
func bindDir(from, to string) error {
	if err := os.Mkdir(to, 0o555); err != nil {
		return err
	}
	return unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
}

// written returns what the script wants of the host, when no process of it is
// left.
func (w *standIns) written() ([]ruleset.Sysctl, error) {
	if w.watch == nil {
		return nil, nil
	}
	keys, err := w.watch.close()
	if err != nil {
		return nil, err
	}
	var out []ruleset.Sysctl
	for _, k := range keys {
		text, cut, err := readUpTo(filepath.Join(w.root, wantedDir, sysctlPath(k)), maxValue)
		value := strings.Join(strings.Fields(string(text)), " ")
		// The kernel takes numbers, and the names of algorithms.
		if err != nil || cut || value == "" || strings.Trim(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-. ") != "" {
			continue
		}
		out = append(out, ruleset.Sysctl{Key: k, Value: value})
	}
	return out, nil
}
