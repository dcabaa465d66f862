package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset"
)

// shown is the JSON of fwc show, schema fwc.show/v1.
type shown struct {
	Schema     string              `json:"schema"`
	Digest     string              `json:"digest"`
	Epoch      uint64              `json:"epoch"`
	Serial     uint64              `json:"serial"`
	Created    time.Time           `json:"created"`
	NotAfter   *time.Time          `json:"notAfter"`
	Labels     map[string]string   `json:"labels"`
	Against    string              `json:"against,omitempty"`
	Toolchains []ruleset.Toolchain `json:"toolchains"`
	Accept     []artifact.Accept   `json:"accept"` // of each toolchain
	Signers    []string            `json:"signers"`
	Script     artifact.Script     `json:"script"`
	Modules    []string            `json:"modules"`
	Tables     []shownTable        `json:"tables"`
	Sets       []shownSet          `json:"sets"`
	Sysctls    []artifact.Sysctl   `json:"sysctls"`
	Wanted     []artifact.Sysctl   `json:"wanted"` // that only a host's first namespace has
	Members    []shownMember       `json:"members"`
	Coverage   any                 `json:"coverage,omitempty"` // with --coverage, schema fwc.coverage/v1
}

type shownTable struct {
	Family  ruleset.Family  `json:"family"`
	Backend ruleset.Backend `json:"backend"`
	Table   string          `json:"table"`
	Native  bool            `json:"native"`
	Chains  int             `json:"chains"`
	Rules   int             `json:"rules"`
}

type shownSet struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Members int    `json:"members"`
}

type shownMember struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

func showCommand(s Streams) *command.Command {
	return &command.Command{
		Name:      "show",
		Usage:     "what is in an artifact; its signatures are named, not checked",
		ArgsUsage: "FILE",
		Description: "Examples:\n" +
			"  fwc show fw.artifact\n" +
			"  fwc show fw.artifact --dump iptables | less\n" +
			"  fwc show fw.artifact --lines | grep fw.sh:42\n" +
			"  fwc show fw.artifact --format json | jq .tables" + showExamples,
		Flags: append([]command.Flag{
			formatFlag(showFormats...),
			&command.StringFlag{Name: "dump", Usage: "print one `DUMP`: iptables, ip6tables, arptables, ebtables (-legacy for that backend), nft, ipset, sysctl, script"},
			&command.BoolFlag{Name: "lines", Usage: "print each rule and set with the script's line that made it"},
		}, showFlags()...),
		Action: func(c *command.Context) error {
			if c.NArg() != 1 {
				return usagef("show wants one FILE")
			}
			a, err := inspect(c.Args().First())
			if err != nil {
				return err
			}
			if done, err := showCoverage(c, s, a); done {
				return err
			}
			if c.Bool("lines") {
				return showLines(s.Out, a)
			}
			if c.IsSet("dump") {
				return showDump(s.Out, a, c.String("dump"))
			}
			v, err := show(a)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Args().First(), err)
			}
			if c.String("format") == "json" {
				return writeJSON(s.Out, v)
			}
			return v.text(s.Out)
		},
	}
}

func show(a *artifact.Artifact) (*shown, error) {
	m := a.Manifest
	v := &shown{
		Schema: "fwc.show/v1", Digest: a.Digest, Epoch: m.Epoch, Serial: m.Serial, Created: m.Created,
		Labels: m.Labels, Against: m.Against, Script: m.Script, Modules: m.Modules,
		Signers: []string{}, Tables: []shownTable{}, Sets: []shownSet{}, Sysctls: []artifact.Sysctl{}, Wanted: []artifact.Sysctl{},
	}
	if !m.NotAfter.IsZero() {
		v.NotAfter = &m.NotAfter
	}
	for _, u := range a.Unverified() {
		v.Signers = append(v.Signers, u.Hint)
	}
	for _, mem := range a.Members() {
		v.Members = append(v.Members, shownMember{mem.Name, len(mem.Data)})
	}
	for i, b := range m.Builds {
		v.Toolchains = append(v.Toolchains, b.Toolchain)
		v.Accept = append(v.Accept, b.Accept)
		if i > 0 {
			continue // the builds of one file come from one script: count the first
		}
		snap, err := snapshotOf(a, i)
		if err != nil {
			return nil, err
		}
		v.count(snap)
		v.Wanted = append(v.Wanted, b.Wanted...)
	}
	return v, nil
}

func (v *shown) count(snap *ruleset.Snapshot) {
	for _, t := range snap.Tables {
		row := shownTable{Family: t.Family, Backend: t.Backend, Table: t.Name, Native: t.Native, Chains: len(t.Chains)}
		for _, ch := range t.Chains {
			row.Rules += len(ch.Rules)
		}
		v.Tables = append(v.Tables, row)
	}
	for _, set := range snap.Sets {
		v.Sets = append(v.Sets, shownSet{set.Name, set.Type, len(set.Members)})
	}
	for _, ctl := range snap.Sysctls {
		v.Sysctls = append(v.Sysctls, artifact.Sysctl(ctl))
	}
}

// snapshotOf parses the dumps of an artifact's build, and the script's lines
// that made the rules.
func snapshotOf(a *artifact.Artifact, build int) (*ruleset.Snapshot, error) {
	s, err := a.Snapshot(build)
	if err != nil {
		return nil, err
	}
	return s, a.Sources(build, s)
}

func (v *shown) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", key, termsafe.String(fmt.Sprintf(format, args...)))
	}
	row("digest", "%s", v.Digest)
	row("script", "%s  sha256 %s", v.Script.Name, v.Script.SHA256)
	row("serial", "%d  epoch %d", v.Serial, v.Epoch)
	row("created", "%s", v.Created.Format(time.RFC3339))
	if v.NotAfter != nil {
		row("not after", "%s", v.NotAfter.Format(time.RFC3339))
	}
	for _, k := range slices.Sorted(maps.Keys(v.Labels)) {
		row("label", "%s=%s", k, v.Labels[k])
	}
	for i, tc := range v.Toolchains {
		row("toolchain", "%s", describe(tc))
		if also := v.Accept[i]; also.Kernel != "" {
			row("also kernel", "%s", also.Kernel)
		}
		if also := v.Accept[i]; also.IPTables != "" {
			row("also iptables", "%s", also.IPTables)
		}
	}
	if len(v.Signers) == 0 {
		row("signer", "none: this artifact is unsigned")
	}
	for _, hint := range v.Signers {
		row("signer", "%s (not checked: fwc verify)", hint)
	}
	if len(v.Modules) > 0 {
		row("modules", "%s", strings.Join(v.Modules, " "))
	}
	for _, t := range v.Tables {
		row("table", "%s  %s  %s", tableName(t), count(t.Chains, "chain"), count(t.Rules, "rule"))
	}
	for _, set := range v.Sets {
		row("set", "%s  %s  %s", set.Name, set.Type, count(set.Members, "member"))
	}
	for _, ctl := range v.Sysctls {
		row("sysctl", "%s = %s", ctl.Key, ctl.Value)
	}
	for _, ctl := range v.Wanted {
		row("sysctl", "%s = %s (of a host's first network namespace)", ctl.Key, ctl.Value)
	}
	return w.Flush()
}

func tableName(t shownTable) string {
	if t.Native {
		return fmt.Sprintf("%s %s (nft)", t.Family, t.Table)
	}
	return fmt.Sprintf("%s %s (%s on %s)", t.Family, t.Table, t.Family.XTables(), t.Backend)
}

// describe is a toolchain in one line.
func describe(tc ruleset.Toolchain) string {
	parts := []string{"kernel " + tc.Kernel, tc.Arch}
	if tc.IPTables != "" {
		parts = append(parts, fmt.Sprintf("iptables %s (%s)", tc.IPTables, tc.Backend))
	}
	for _, t := range []struct{ name, version string }{
		{"ipset", tc.IPSet}, {"arptables", tc.ARPTables}, {"ebtables", tc.EBTables}, {"nft", tc.NFT},
	} {
		if t.version != "" {
			parts = append(parts, t.name+" "+t.version)
		}
	}
	return strings.Join(parts, ", ")
}

// showDump prints one member. On a terminal what could steer it is escaped.
func showDump(out io.Writer, a *artifact.Artifact, name string) error {
	member := name
	switch {
	case name == "nft" || name == "nft.json":
		member = "nft.json"
	case name == "ipset" || name == "sysctl":
		member = map[string]string{"ipset": "ipset.save", "sysctl": "sysctl.conf"}[name]
	case name != artifact.ScriptMember && !strings.Contains(name, "."):
		member = name + ".rules"
	}
	data, ok := a.Member(member)
	if !ok {
		var have []string
		for _, m := range a.Members() {
			have = append(have, m.Name)
		}
		return hintf(fmt.Errorf("the artifact has no dump %q", name), "it has %s", strings.Join(have, ", "))
	}
	if isTerminal(out) {
		data = []byte(termsafe.Text(string(data)))
	}
	_, err := out.Write(data)
	return err
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
