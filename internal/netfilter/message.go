package netfilter

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// The restore programs name a line as "Error occurred at line: 4",
// "line 4: RULE_APPEND failed", "iptables-restore: line 5 failed",
// "COMMIT expected at line 4" and "ipset v7.17: Error in line 3: …";
// arptables-legacy-restore as "ERROR(line 4)", nft as "/dev/stdin:3:1-20: Error".
var lineNumber = regexp.MustCompile(`(?i)\bline:? (\d+)|^(?:-|\S*stdin):(\d+):\d+`)

// noise are lines that tell a user of fwc nothing.
var noise = regexp.MustCompile(`^(Try .*for more information\.|Error occurred at line: \d+|Perhaps iptables or your kernel needs to be upgraded\.)$`)

// prefix is the program's name and version in front of its message.
var prefix = regexp.MustCompile(`^\S+( v[0-9.]+)?( \((nf_tables|legacy)\))?: `)

// message returns a program's message on one line, without its name, and the
// first line number in it, or 0.
func message(te *ToolError) (msg string, line int) {
	if m := lineNumber.FindStringSubmatch(te.Stderr); m != nil {
		line, _ = strconv.Atoi(m[1] + m[2]) // too long a number stays 0
	}
	var parts []string
	for l := range strings.Lines(te.Stderr) {
		// "program: " alone is followed by the message on the next line.
		l = strings.TrimSpace(prefix.ReplaceAllString(strings.TrimRight(l, "\n"), ""))
		if l != "" && !noise.MatchString(l) {
			parts = append(parts, l)
		}
	}
	if len(parts) > 3 {
		parts = parts[:3] // nft backend: one line for each rule of the table
	}
	if len(parts) == 0 {
		return te.Status, line
	}
	return strings.Join(parts, "; "), line
}

// missingChain is how the nft backend refuses a jump; it names the line of
// COMMIT, not the rule's.
var missingChain = regexp.MustCompile(`Chain '([^']+)' does not exist`)

// culprit returns the line of the dump that a message is about, and its text.
func culprit(d ruleset.Dump, msg string, line int) (int, string) {
	lines := bytes.Split(d.Text, []byte("\n"))
	text := func(n int) string {
		if n < 1 || n > len(lines) {
			return ""
		}
		return string(bytes.TrimSpace(lines[n-1]))
	}
	if m := missingChain.FindStringSubmatch(msg); m != nil {
		for n := min(line, len(lines)); n > 0 && !strings.HasPrefix(text(n), "*"); n-- {
			fields := strings.Fields(text(n))
			for i, f := range fields[:max(len(fields)-1, 0)] {
				if (f == "-j" || f == "-g") && fields[i+1] == m[1] {
					return n, text(n)
				}
			}
		}
	}
	if t := text(line); t != "" {
		return line, t
	}
	return line, ""
}
