package xtables_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// kinds maps the file name extensions of the corpus.
var kinds = map[string]ruleset.Kind{".save4": ruleset.IPTables, ".save6": ruleset.IP6Tables, ".arp": ruleset.ARPTables, ".eb": ruleset.EBTables}

// TestCorpus holds that what a restore program makes of every collected dump
// is what Parse makes of it, and that every save is a fixed point.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	loaded := 0
	for _, f := range files {
		kind, ok := kinds[filepath.Ext(f.Name())]
		if !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		backends := []ruleset.Backend{ruleset.NFT, ruleset.Legacy}
		if kind == ruleset.ARPTables || kind == ruleset.EBTables {
			backends = backends[:1]
		}
		for _, backend := range backends {
			t.Run(f.Name()+"/"+string(backend), func(t *testing.T) {
				if compare(t, kind, backend, f.Name(), text) {
					loaded++
				}
			})
		}
	}
	t.Logf("%d dumps load", loaded)
}

// lost are rules that the save of iptables 1.8.9 loses a part of, canonical.
// The canonical form of the source must not be that of the save.
var lost = regexp.MustCompile(strings.Join([]string{
	`! --[sd]port 0:65535$`,
	`! --(ahspi|espspi|ipcompspi|fragid|rt-segsleft) 0:4294967295$`,
	`! --mh-type 0:255$`,
	`! -i \+$`,                    // legacy
	`-j NFLOG --nflog-range \d+$`, // nft
	`--(h-length|opcode|h-type|proto-type) (0x)?[0-9a-f]+/(0x)?[0-9a-f]+`, // arptables
	`! --h-length | --h-type `,
}, "|"))

// misread are rules of saves that the restore of iptables 1.8.9 reads as
// another rule.
var misread = regexp.MustCompile(`-p ipcomp -m ipcomp --ipcompspi 0$|--h-type `)

// emptied are dumps that the restore programs read with success, and load
// nothing of: they hold -h.
var emptied = regexp.MustCompile(`-h ends a restore$`)

// compare reports whether the restore program takes the text, and fails if
// Parse makes something else of it.
func compare(t *testing.T, kind ruleset.Kind, backend ruleset.Backend, name string, text []byte) bool {
	t.Helper()
	tables, parseErr := xtables.Parse(kind, backend, name, text)
	save, err := roundTrip(kind, backend, text)
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if parseErr == nil {
			t.Logf("parses, but is refused: %v", err)
		}
		return false
	}
	if parseErr != nil {
		if !emptied.MatchString(parseErr.Error()) {
			t.Error(parseErr)
		}
		return true
	}
	want := plain(save)
	equal(t, "source", want, string(xtables.Format(tables)), lost)
	again, err := xtables.Parse(kind, backend, "save", save)
	if err != nil {
		t.Error(err)
		return true
	}
	equal(t, "save", want, string(xtables.Format(again)), misread)
	return true
}

// equal compares two dumps line by line, except for known defects of the
// programs.
func equal(t *testing.T, what, want, got string, known *regexp.Regexp) {
	t.Helper()
	for _, d := range differences(want, got) {
		if d.want != "" && d.got != "" && known.MatchString(d.got) {
			continue
		}
		t.Errorf("%s:\n- %s\n+ %s", what, d.want, d.got)
	}
}

// TestExtensionLines holds the canonical form to the saves of the rules of
// iptables' own tests, as far as they were found to load.
func TestExtensionLines(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus(t), "EXT-LINES-ROUNDTRIP.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]ruleset.Kind{
		"ext-t-v4": ruleset.IPTables, "puppet-v4": ruleset.IPTables, "ext-t-v6": ruleset.IP6Tables, "puppet-v6": ruleset.IP6Tables,
		"ext-t-arp": ruleset.ARPTables, "ext-t-eb": ruleset.EBTables,
	}
	checked := 0
	for _, row := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(row, "\t")
		kind, table, rule := kinds[f[0]], f[1], f[2]
		if kind == "" {
			t.Fatalf("unknown set %q", f[0])
		}
		for _, col := range []int{3, 6} {
			if col+1 >= len(f) || f[col] != "ok" {
				continue
			}
			checked++
			in := "*" + table + "\n:" + strings.Fields(rule)[1] + " ACCEPT\n" + rule + "\nCOMMIT\n"
			in = strings.NewReplacer(":foo-filter ACCEPT", ":foo-filter -", ":neutron-openvswi-FORWARD ACCEPT", ":neutron-openvswi-FORWARD -").Replace(in)
			tables, err := xtables.Parse(kind, ruleset.NFT, rule, []byte(in))
			if err != nil {
				t.Error(err)
				continue
			}
			equal(t, rule, f[col+1], lastRule(xtables.Format(tables)), lost)
		}
	}
	t.Logf("%d saves", checked)
}

// lastRule returns the last rule of a dump, with its command.
func lastRule(dump []byte) string {
	last := ""
	for line := range strings.Lines(string(dump)) {
		if strings.HasPrefix(line, "-A ") {
			last = strings.TrimSpace(line)
		}
	}
	return last
}
