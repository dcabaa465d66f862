package compiler

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueueable(t *testing.T) {
	for call, want := range map[string]string{
		"iptables|-A|INPUT|-j|DROP":                                "filter: -A INPUT -j DROP",
		"iptables|-t|nat|-A|POSTROUTING|-j|MASQUERADE":             "nat: -A POSTROUTING -j MASQUERADE",
		"iptables|-A|PREROUTING|-t|raw|-j|NOTRACK":                 "raw: -A PREROUTING -j NOTRACK",
		"iptables|-w|-I|INPUT|1|-j|DROP":                           "filter: -I INPUT 1 -j DROP",
		"iptables|-w|5|--append|INPUT":                             "filter: --append INPUT",
		"iptables|-A|INPUT|-m|comment|--comment|say \"hi\" \\ now": `filter: -A INPUT -m comment --comment "say \"hi\" \\ now"`,
		"iptables|-A|INPUT|-m|comment|--comment|größer":            `filter: -A INPUT -m comment --comment "größer"`,
		"iptables|-A|INPUT|!|-s|192.0.2.1|-f":                      "filter: -A INPUT ! -s 192.0.2.1 -f",
		"iptables|-N|LOGDROP":                                      "filter: -N LOGDROP",
		"iptables|-P|INPUT|DROP":                                   "filter: -P INPUT DROP",
		"iptables|-A|INPUT|-m|set|--match-set|x|src":               "filter sets: -A INPUT -m set --match-set x src",
		"ipset|add|x|192.0.2.1":                                    ": add x 192.0.2.1",
		"ipset|-exist|add|x|192.0.2.1|-exist":                      ": -exist add x 192.0.2.1 -exist",
		"ipset|create|x|hash:ip":                                   " makes: create x hash:ip",

		"iptables|-A|INPUT|-v|-j|DROP":              "",
		"iptables|-nA|INPUT":                        "",
		"iptables|-p|tcp|-A|INPUT":                  "",
		"iptables|-A|INPUT|-A|OUTPUT":               "",
		"iptables|-A|INPUT|-m|comment|--comment|-t": "",
		"iptables|-A|INPUT|--table=nat":             "",
		"iptables|-A|INPUT|-t":                      "",
		"iptables|-A|INPUT|-t|NAT":                  "",
		"iptables|-A|INPUT|-s|-t|nat":               "",
		"iptables|-A|INPUT|":                        "",
		"iptables|-A|IN\nPUT":                       "",
		"iptables|-N|log drop":                      "",
		"iptables|-N":                               "",
		"iptables|-P|INPUT":                         "",
		"iptables|-D|INPUT|1":                       "",
		"iptables|-A|INPUT|-c|1|2":                  "",
		"iptables|-A|INPUT|-4":                      "",
		"iptables":                                  "",
		"ipset|add|x|192.0.2.1|comment|a\"b":        "",
		"ipset|add|x|192.0.2.1|-q":                  "",
		"ipset|-q|add|x|192.0.2.1":                  "",
		"ipset|del|x|192.0.2.1":                     "",
		"ipset|restore":                             "",
		"iptables|-A|" + strings.Repeat("x", 5000):  "",
		"iptables|-A" + strings.Repeat("|x", 300):   "",
	} {
		words := strings.Split(call, "|")
		q, ok := queueable(words[0], words[1:])
		got := ""
		if ok {
			got = q.table
			if q.sets {
				got += " sets"
			}
			if q.makes {
				got += " makes"
			}
			got += ": " + q.line
		}
		if got != want {
			t.Errorf("%q: %q, want %q", call, got, want)
		}
	}
}

// pipeText is a call as a shell writes it.
func pipeText(place, tool string, args ...string) string {
	fields := append([]string{callMark, fmt.Sprint(len(args) + 2), place, tool}, args...)
	return strings.Join(append(fields, endMark), string(rune(fieldEnd))) + string(rune(fieldEnd))
}

func TestPipeReader(t *testing.T) {
	whole := pipeText("3", "iptables", "-A", "INPUT") + "flush\x1f" + pipeText("4 x.sh", "ipset", "add", "x", strings.Repeat("y", 5000))
	read := func(text string) (list []string, err error) {
		p := &pipeReader{r: bufio.NewReader(strings.NewReader(text)), limit: 1 << 20, last: "last"}
		for {
			c, err := p.next()
			switch {
			case err != nil:
				return list, err
			case c == nil:
				list = append(list, "flush")
			default:
				list = append(list, fmt.Sprintf("%s %s %d %v", c.place, c.tool, len(c.args), c.long))
			}
		}
	}
	got, err := read(whole + "last\x1f")
	if diff := cmp.Diff([]string{"3 iptables 2 false", "flush", "4 x.sh ipset 3 true"}, got); diff != "" || !errors.Is(err, io.EOF) {
		t.Error(err, diff)
	}
	for name, text := range map[string]string{
		"an argument with the mark": pipeText("3", "iptables", "-A", "IN\x1fPUT"),
		"two calls mixed":           pipeText("3", "iptables", "-A", pipeText("4", "iptables", "-A")),
		"a count too high":          "call\x1f9\x1f3\x1fiptables\x1fend\x1f" + pipeText("3", "iptables"),
		"a count with a sign":       "call\x1f+2\x1f3\x1fiptables\x1fend\x1f",
		"no count":                  "call\x1f\x1f3\x1fiptables\x1fend\x1f",
		"a NUL":                     pipeText("3", "iptables", "a\x00b"),
		"something else":            "hello\x1f",
		"a cut call":                whole[:20],
	} {
		if list, err := read(text + "last\x1f"); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	p := &pipeReader{r: bufio.NewReader(strings.NewReader(whole)), limit: 100}
	for err = error(nil); err == nil; _, err = p.next() {
	}
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("over the limit: %v", err)
	}
}

// FuzzPipeReader holds that what a script writes into the pipe does no harm,
// and that a call which reads well makes one record of the log.
func FuzzPipeReader(f *testing.F) {
	f.Add([]byte(pipeText("3", "iptables", "-A", "INPUT") + "flush\x1f"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &pipeReader{r: bufio.NewReader(bytes.NewReader(text)), limit: 1 << 20, last: "last"}
		var log bytes.Buffer
		n := 0
		for {
			c, err := p.next()
			if err != nil {
				break
			}
			if c != nil {
				n++
				c.record(&log)
				queueable("iptables", c.args)
				queueable("ipset", c.args)
			}
		}
		if calls, whole := parseLog(log.Bytes()); len(calls) != n || !whole {
			t.Errorf("%d calls make %d records, whole: %v", n, len(calls), whole)
		}
	})
}
