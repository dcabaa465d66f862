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
