package compiler

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// aside takes a call that is none of a firewall's tools: it notes what it asks
// for, or that it has no effect on what is built. It returns false for others.
func (b *build) aside(c *Call) bool {
	switch c.Tool {
	case "modprobe":
		b.result.Modules = append(b.result.Modules, c.modules()...)
	case "insmod":
		for _, a := range c.Args {
			if name, _, ok := strings.Cut(filepath.Base(a), ".ko"); ok {
				b.result.Modules = append(b.result.Modules, strings.ReplaceAll(name, "-", "_"))
			}
		}
	case "rmmod", "depmod":
	case "systemctl", "service", "invoke-rc.d", "rc-service", "initctl", "netfilter-persistent", "chkconfig", "update-rc.d", "rc-update",
		"firewall-cmd", "ufw":
		if !slices.ContainsFunc(c.Args, asks) {
			b.remark(c.Pos, "not run in staging", c.String())
		}
	case "sysctl":
		b.sysctlCall(c)
	case "ip", "ifconfig", "route", "tc", "brctl", "vconfig":
		b.linkCall(c)
	default:
		return false
	}
	return true
}

// asks says whether a word makes of a service's command a question, which
// staging answers.
func asks(word string) bool {
	return slices.Contains([]string{"is-active", "is-enabled", "is-failed", "status", "--status-all", "--state", "list-units"}, word)
}

// maxRemarks bounds the remarks of one kind: a loop may make thousands.
const maxRemarks = 20

// remark collects a note by what it says; conclude gives them out.
func (b *build) remark(pos ruleset.Position, kind, what string) {
	if b.asides == nil {
		b.asides = map[string][]Remark{}
	}
	r := Remark{pos, what}
	if !slices.Contains(b.asides[kind], r) {
		b.asides[kind] = append(b.asides[kind], r)
	}
}

// harmless collects a failed call that removes, asks or creates what may be
// there, or that the script tests, by its line: check-or-append fails once a
// rule.
func (b *build) harmless(e *CallError) {
	if n := len(b.failed); n > 0 && e.Pos.Line > 0 {
		i := slices.IndexFunc(b.failed, func(f failedLine) bool { return f.first.Pos == e.Pos && f.first.Tool == e.Tool })
		if i >= 0 {
			b.failed[i].more++
			return
		}
	}
	b.failed = append(b.failed, failedLine{first: e})
}

// failedLine is a line of the script whose calls failed, and did no harm.
type failedLine struct {
	first *CallError
	more  int // calls of this line beside the first
}

// failedHarmless turns the lines into notes.
func (b *build) failedHarmless() {
	for _, f := range b.failed[:min(len(b.failed), maxRemarks)] {
		text := strings.TrimPrefix(f.first.Error(), f.first.Pos.String()+": ")
		if f.more > 0 {
			text += fmt.Sprintf(" (and %s of this line)", counted(f.more, "more call"))
		}
		b.result.Notes = append(b.result.Notes, Remark{f.first.Pos, text})
	}
	if n := len(b.failed) - maxRemarks; n > 0 {
		b.note("%s with such calls: they remove, ask or create, or the script tests them, and failed", counted(n, "more line"))
	}
}

// conclude turns the remarks into notes.
func (b *build) conclude() {
	kinds := make([]string, 0, len(b.asides))
	for k := range b.asides {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		list := b.asides[k]
		for _, r := range list[:min(len(list), maxRemarks)] {
			b.result.Notes = append(b.result.Notes, Remark{r.Pos, shorten(r.Msg) + ": " + k})
		}
		if n := len(list) - maxRemarks; n > 0 {
			b.note("%d more: %s", n, k)
		}
	}
}

// noInterface is how ip(8), ifconfig(8), route(8) and tc(8) say that there is
// no such interface.
var noInterface = regexp.MustCompile(`(?i)(?:device "?([^" ]+)"? does not exist|cannot find device "?([^" ]+)"?|(\S+): error fetching interface information|cannot find device "?(\S+)"?)`)

// missingInterface returns the interface that a message misses, or "".
func missingInterface(text string) string {
	for _, name := range noInterface.FindStringSubmatch(text)[min(1, len(noInterface.FindStringSubmatch(text))):] {
		if name = strings.Trim(name, `".:`); name != "" {
			return name
		}
	}
	return ""
}

// linkCall looks at a call that asks for interfaces and routes, or changes them.
func (b *build) linkCall(c *Call) {
	if name := missingInterface(c.Stderr); name != "" {
		b.noInterface(c.Pos, name, c.String())
		return
	}
	switch {
	case c.Status != 0 && c.Tool == "ip" && slices.Contains(c.Args, "netns"):
		b.remark(c.Pos, "staging makes no namespaces", c.String())
	case c.Status == 0 && c.changesLinks():
		b.remark(c.Pos, "interfaces, addresses, routes and queues are not part of an artifact", c.String())
	case c.Status != 0 && c.changesLinks():
		b.remark(c.Pos, "failed, and is not part of an artifact", c.String()+": "+c.Message())
	}
}

// noInterface warns of an interface that the script asks for in vain.
func (b *build) noInterface(pos ruleset.Position, name, what string) {
	b.missingIfaces++
	if b.missingIfaces <= maxRemarks {
		b.warn(pos, "%s: staging has no interface %s; give it with --iface %s=ADDRESS/LENGTH, or all of the host's with --facts", shorten(what), name, name)
	}
}

// changesLinks goes by the commands of ip(8), tc(8), route(8), brctl(8),
// ifconfig(8).
func (c *Call) changesLinks() bool {
	verbs := []string{"add", "del", "delete", "change", "replace", "append", "prepend", "set", "flush", "up", "down",
		"addbr", "delbr", "addif", "delif", "rem", "stp", "setfd", "mtu", "netmask", "hw", "add_if"}
	return slices.ContainsFunc(c.Args, func(a string) bool { return slices.Contains(verbs, a) })
}

// sysctlCall reports what a call of sysctl(8) could not do. It may say so and
// exit with 0 all the same.
func (b *build) sysctlCall(c *Call) {
	for line := range strings.Lines(c.Stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.Contains(c.String(), " -a") {
			b.remark(c.Pos, b.sysctlRefusal(line), fmt.Sprintf("sysctl %s: %s", strings.Join(c.Args, " "), strings.TrimPrefix(line, "sysctl: ")))
		}
	}
}

// confKey is a key of one interface.
var confKey = regexp.MustCompile(`net[./]ipv[46][./](?:conf|neigh)[./]([^ "./]+)`)

// sysctlRefusal says what there is to do about a refused key.
func (b *build) sysctlRefusal(line string) string {
	m := confKey.FindStringSubmatch(line)
	switch {
	case m != nil && strings.Contains(line, "No such file"):
		return "staging has no interface " + m[1] + ", give it with --iface"
	case strings.Contains(line, "No such file"):
		return "the build host's kernel has no such key, or its module is not loaded"
	case strings.Contains(line, "net.") || strings.Contains(line, "net/"):
		return "refused by the kernel"
	}
	return "refused, staging lets a script set what is below net"
}

// wantedNotes says of each sysctl of the first namespace alone that the
// artifact asks for it.
func (b *build) wantedNotes() {
	for _, w := range b.rep.Wanted {
		b.remark(b.lineOf(w.Key), "only a host's first network namespace has this key, the artifact asks the host for it", w.Key+" = "+w.Value)
	}
}

// lineOf finds the line of the script that names a sysctl, in either spelling:
// the first, or the zero position.
func (b *build) lineOf(key string) ruleset.Position {
	num := 0
	for line := range strings.Lines(string(b.src.text)) {
		num++
		if strings.Contains(line, key) || strings.Contains(line, sysctlPath(key)) {
			return ruleset.Position{File: b.src.path, Line: num}
		}
	}
	return ruleset.Position{}
}
