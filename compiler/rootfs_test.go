package compiler

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// rootScript says whose system it runs on.
const rootScript = `cat /etc/whose
command -v ipset || echo no ipset
[ -e /usr/bin/perl ] && echo the host has perl
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
ip6tables -P INPUT DROP
`

// TestRootFS stages a small system, put together of what the host has.
func TestRootFS(t *testing.T) {
	if again(t, "TestRootFS") {
		return
	}
	root := smallRoot(t, "sh", "cat", "iptables", "ip6tables", "iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore",
		"iptables-legacy", "iptables-legacy-save", "ip6tables-legacy", "ip6tables-legacy-save", "nft")
	for _, u := range users {
		o := runAs(t, u.cred, job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": rootScript}), RootFS: root,
			Ifaces: []Iface{{Name: "eth0", Addrs: []string{"192.0.2.1/24"}}}})
		if o.Err != "" {
			t.Errorf("%s: %s\n%s", u.name, o.Err, o.Stderr)
			continue
		}
		if want := "the small system\nno ipset\n"; o.Stdout != want {
			t.Errorf("%s: the script says %q, want %q", u.name, o.Stdout, want)
		}
		if !strings.Contains(o.Dumps["iptables.rules"], "--dport 22 -j ACCEPT") {
			t.Errorf("%s: dumps %q", u.name, o.Dumps)
		}
	}
	for name, want := range map[string]string{
		"nowhere":                  "nowhere: cannot be read: no such file or directory",
		filepath.Join(root, "etc"): filepath.Join(root, "etc") + ": has no /bin/sh",
	} {
		o := runAs(t, nil, job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": rootScript}), RootFS: name})
		if o.Kind != "source" || o.Err != want {
			t.Errorf("%s error %q, want %q", o.Kind, o.Err, want)
		}
	}
	o := runAs(t, nil, job{Script: "fw.py", Dir: project(t, map[string]string{"fw.py": "#!/usr/bin/python3\n"}), RootFS: root})
	if want := "fw.py: its interpreter /usr/bin/python3 is not in " + root; o.Err != want {
		t.Errorf("error %q, want %q", o.Err, want)
	}
}

// again runs a test once more in a program without libraries, as fwc is one,
// if this is one with. It returns whether it has.
func again(t *testing.T, name string) bool {
	t.Helper()
	if !dynamic() {
		return false
	}
	cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^"+name+"$", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// library is a line of ldd(1): what is mapped, and from where.
var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// smallRoot makes a root directory of some of the host's programs.
func smallRoot(t *testing.T, programs ...string) string {
	t.Helper()
	root, err := os.MkdirTemp("/var/tmp", "fwc-root")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	var files []string
	for _, p := range programs {
		path, err := exec.LookPath(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ldd", real).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range library.FindAllStringSubmatch(string(out), -1) {
			files = append(files, m[1])
		}
	}
	extensions, _ := filepath.Glob("/usr/lib/*/xtables")
	files = append(files, extensions...)
	// With every link on the way, as tar keeps them.
	script := `for d in bin sbin lib lib64; do [ -L /$d ] && ln -s "$(readlink /$d)" "$1/$d"; done
root=$1; shift
mkdir -p "$root/etc" "$root/usr/sbin"
echo 'the small system' > "$root/etc/whose"
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
for f; do
	while :; do
		f=$(realpath -s "$(realpath "$(dirname "$f")")/$(basename "$f")")
		mkdir -p "$root$(dirname "$f")"
		[ -e "$root$f" ] || [ -L "$root$f" ] || cp -a "$f" "$root$f"
		[ -L "$f" ] || break
		l=$(readlink "$f")
		case $l in /*) f=$l ;; *) f=$(dirname "$f")/$l ;; esac
	done
done
chmod 755 "$root"
`
	if out, err := exec.Command("sh", append([]string{"-ec", script, "sh", root}, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return root
}

// TestDebootstrap stages other releases of Debian, and needs their mirror:
// FWC_DEBOOTSTRAP="bullseye trixie" go test -run TestDebootstrap ./compiler.
func TestDebootstrap(t *testing.T) {
	suites := strings.Fields(os.Getenv("FWC_DEBOOTSTRAP"))
	if len(suites) == 0 {
		t.Skip("FWC_DEBOOTSTRAP names no release")
	}
	if again(t, "TestDebootstrap") {
		return
	}
	host, err := exec.Command("iptables", "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			root, err := os.MkdirTemp("/var/tmp", "fwc-root")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			args := []string{"--variant=minbase", "--include=iptables,ipset,iproute2", suite, root}
			if mirror := os.Getenv("FWC_MIRROR"); mirror != "" {
				args = append(args, mirror)
			}
			if out, err := exec.Command("debootstrap", args...).CombinedOutput(); err != nil {
				t.Fatalf("debootstrap: %v\n%s", err, out[max(0, len(out)-2000):])
			}
			if err := os.WriteFile(root+"/etc/whose", []byte(suite+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			_ = os.Chmod(root, 0o755)
			for _, u := range users {
				o := runAs(t, u.cred, job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": rootScript}), RootFS: root, Timeout: time.Minute})
				if o.Err != "" || !strings.HasPrefix(o.Stdout, suite+"\n") {
					t.Fatalf("%s: %s\n%s%s", u.name, o.Err, o.Stdout, o.Stderr)
				}
				version := fmt.Sprintf("v%s ", o.Toolchain)
				if o.Toolchain == "" || strings.Contains(string(host), version) {
					t.Errorf("%s: the artifact records iptables %q, the host has %s", u.name, o.Toolchain, host)
				}
				t.Logf("%s: iptables %s", u.name, o.Toolchain)
			}
		})
	}
}
