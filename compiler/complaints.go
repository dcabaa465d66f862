package compiler

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// complaint is a line of standard error that tells of something that staging
// does not give.
type complaint struct {
	file string // of the shell's message, or ""
	line int
	text string // the rest of the line
}

// maxComplaints bounds what is kept of a script's lament.
const maxComplaints = 200

// shellLine is how shells begin a message: "fw.sh: 12: ", "fw.sh: line 12: ".
var shellLine = regexp.MustCompile(`^(.+?): (?:line )?(\d+): (.*)$`)

// telling are the words that a complaint has one of.
var telling = []string{"/dev/tty", "/proc/sys", "Read-only file system", "Operation not permitted", "Permission denied",
	"does not exist", "Cannot find device", "error fetching interface information", "Device not found",
	"Name or service not known", "Temporary failure in name resolution", "Could not resolve", "Unknown host", "unknown host", "could not be resolved"}

// complain keeps a line that tells something.
func (o *output) complain(line string) {
	if len(o.complaints) >= maxComplaints {
		return
	}
	for _, w := range telling {
		if strings.Contains(line, w) {
			c := complaint{text: line}
			if m := shellLine.FindStringSubmatch(line); m != nil {
				c.file, c.text = m[1], m[3]
				c.line, _ = strconv.Atoi(m[2])
				c.text = strings.TrimPrefix(c.text, recCopy+": ")
			}
			o.complaints = append(o.complaints, c)
			return
		}
	}
}

// answer turns the script's complaints into remarks, each with the flag that
// helps. What a firewall's tool or a noted one said has been dealt with.
func (b *build) answer(said []string) {
	heard := map[string]bool{}
	for _, text := range said {
		for line := range strings.Lines(text) {
			heard[strings.TrimSpace(line)] = true
		}
	}
	for _, c := range b.stderr.complaints {
		if c.file == "" && heard[c.text] {
			continue
		}
		pos := ruleset.Position{File: c.file, Line: c.line}
		if c.file == "" {
			pos = ruleset.Position{}
		}
		switch has := func(s string) bool { return strings.Contains(c.text, s) }; {
		case has("/dev/tty"):
			b.warn(pos, "%s: there is no terminal to ask; give the answer as an argument, or with --env", shorten(c.text))
		case missingInterface(c.text) != "":
			b.noInterface(pos, missingInterface(c.text), c.text)
		case has("/proc/sys/net/"):
			b.remark(pos, b.sysctlRefusal(strings.Replace(c.text, "nonexistent", "No such file", 1)), c.text)
		case has("resol") || has("Name or service") || has("nknown host"):
			b.remark(pos, "staging has no network; answer the name with --hosts FILE", c.text)
		case has("Read-only file system") || has("/proc/sys"):
			b.remark(pos, "refused, staging lets a script change its own files and what is below /proc/sys/net", c.text)
		case has("not permitted"):
			b.remark(pos, "refused in staging", c.text)
		}
	}
}
