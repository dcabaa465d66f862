package compiler

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultHostname is what a script's host is called if nobody says more.
const defaultHostname = "staging"

// identity is what tells the script's host from another.
type identity struct {
	Hostname string
	Hosts    []byte // more lines for /etc/hosts
	Resolv   []byte // the whole of /etc/resolv.conf
}

// defaultResolv is for a host that has no resolv.conf.
const defaultResolv = "nameserver 127.0.0.1\n"

// maxResolv bounds the host's own file, in bytes.
const maxResolv = 64 << 10

// labels is what a host may be called: RFC 1123, section 2.1, and underscores,
// which hosts have all the same.
var labels = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$`)

// identityOf gathers it from the options and the files of the host.
func identityOf(opt Options) (identity, error) {
	id := identity{Hostname: opt.Hostname, Hosts: opt.Hosts}
	if id.Hostname == "" {
		id.Hostname = defaultHostname
	}
	if !labels.MatchString(id.Hostname) {
		return id, fmt.Errorf("%q is not the name of a host", id.Hostname)
	}
	if err := CheckHosts(opt.Hosts); err != nil {
		return id, fmt.Errorf("hosts: %w", err)
	}
	for _, n := range opt.Nameservers {
		if _, err := netip.ParseAddr(n); err != nil {
			return id, fmt.Errorf("name server %q is not an address", n)
		}
		id.Resolv = fmt.Appendf(id.Resolv, "nameserver %s\n", n)
	}
	if opt.Nameservers == nil {
		text, err := os.ReadFile(filepath.Join(opt.RootFS, "/etc/resolv.conf"))
		if err != nil || len(text) > maxResolv {
			text = []byte(defaultResolv)
		}
		id.Resolv = text
	}
	return id, nil
}

// CheckHosts says whether a text is in the format of hosts(5): an address, and
// names for it, on each line. The error names the line.
func CheckHosts(text []byte) error {
	num := 0
	for line := range bytes.Lines(text) {
		num++
		body, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(body)
		if len(fields) == 0 {
			continue
		}
		if _, err := netip.ParseAddr(fields[0]); err != nil {
			return fmt.Errorf("line %d: %q is not an address", num, fields[0])
		}
		if len(fields) < 2 {
			return fmt.Errorf("line %d: no name for %s", num, fields[0])
		}
	}
	return nil
}

// nameservers returns the addresses that a resolv.conf(5) names.
func nameservers(text []byte) []string {
	var found []string
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == "nameserver" {
			found = append(found, f[1])
		}
	}
	return found
}

// write puts the files of an identity into a root.
func (id identity) write(root string) error {
	hosts := append(bytes.Clone(id.Hosts), '\n')
	hosts = fmt.Appendf(hosts, "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n", id.Hostname)
	files := map[string][]byte{
		"etc/hostname": []byte(id.Hostname + "\n"), "etc/hosts": bytes.TrimLeft(hosts, "\n"), "etc/resolv.conf": id.Resolv,
		"etc/nsswitch.conf": filesOnly(filepath.Join(root, "etc/nsswitch.conf")),
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		_ = os.Remove(path) // may be a link to elsewhere
		if err := os.WriteFile(path, text, 0o644); err != nil && !errors.Is(err, unix.EROFS) {
			return err
		}
	}
	return nil
}

// filesOnly returns a host's nsswitch.conf(5) with /etc/hosts as the only
// source of names: nothing else answers in staging.
func filesOnly(path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		text = nil
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("hosts:")) {
			b.Write(line)
		}
	}
	b.WriteString("\nhosts: files\n")
	return b.Bytes()
}
