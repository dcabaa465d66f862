package compiler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzLocate holds that no script and no call makes the search for lines
// fail, as far as the parser's stack holds.
func FuzzLocate(f *testing.F) {
	f.Add("f() { $IPT \"$@\" || return 1; }\nf -A INPUT -s ${x%%/*} -j \"$T\"\n", "-A INPUT -s 1 -j DROP")
	f.Add("for i in 1 2; do xargs -n1 iptables -A \\\n INPUT; done <<E\n$x\nE\n", "-A INPUT x")
	f.Fuzz(func(t *testing.T, text, args string) {
		if len(text) > 10_000 || len(args) > 1000 {
			t.Skip()
		}
		calls := []Call{{Tool: "iptables", Args: strings.Fields(args)}, {Tool: "iptables", Args: strings.Fields(args), line: 1}}
		newLineFinder(&source{path: "x.sh", abs: "/nonexistent/x.sh", text: []byte(text)}, "/nonexistent").locate(calls)
	})
}

// TestLocate gives lines by comparison alone, as for a shell that tells none.
// No line is right where a wrong one was possible.
func TestLocate(t *testing.T) {
	tests := []struct {
		name, script string
		calls, want  []string
	}{
		{"by literal", "iptables -A INPUT -j DROP\niptables -A INPUT -j LOG\n",
			[]string{"-A INPUT -j LOG", "-A INPUT -j DROP"}, []string{"2", "1"}},
		{"sole", "for p in $L; do\n$IPT -A INPUT --dport $p\n$IPT -A INPUT --dport 2$p\ndone\n",
			[]string{"-A INPUT --dport 80", "-A INPUT --dport 22"}, []string{"2", "0"}},
		{"ambiguous", "for p in $L; do iptables -s $p; done\nfor q in $M; do iptables -s $q; done\n",
			[]string{"-s 1"}, []string{"0"}},
		{"twice", "iptables -A X\nls\niptables -A X\n", []string{"-A X", "-A X"}, []string{"0", "0"}},
		{"not in order", "iptables -A X\niptables -A X || :\n", []string{"-A X"}, []string{"0"}},
		{"several words", "R='-p tcp'\niptables -A X $R -j DROP\n", []string{"-A X -p tcp -j DROP"}, []string{"2"}},
		{"no words", "iptables -A X $EMPTY -j DROP\n", []string{"-A X -j DROP"}, []string{"1"}},
		{"through functions", "a() { iptables -A \"$@\" || exit; }\nb() { a X -p tcp --dport \"$1\" -j \"$2\"; }\nb 22 ACCEPT\nb 80 DROP\na Y\n",
			[]string{"-A X -p tcp --dport 22 -j ACCEPT", "-A X -p tcp --dport 80 -j DROP", "-A Y"}, []string{"3 tested", "4 tested", "5 tested"}},
		{"shifted", "a() { c=$1; shift; iptables -A $c \"$@\"; }\na X -j DROP\n", []string{"-A X -j DROP"}, []string{"2"}},
		{"unknown", "eval \"$x\"\n", []string{"-A X -j DROP"}, []string{"0"}},
		{"not there", "ip link\n", []string{"-A X -j DROP"}, []string{"0"}},
		{"tested", "if ! iptables -A X; then :; fi\niptables -A Y && echo\niptables -A Z; echo $?\nx=$(iptables -A W) || :\n",
			[]string{"-A X", "-A Y", "-A Z", "-A W"}, []string{"1 tested", "2 tested", "3 tested", "4 tested"}},
		{"what is not read", "iptables -A X\nbash <<E\niptables -A X\nE\n", []string{"-A X"}, []string{"0"}},
		{"a string", "iptables -A X || :\nsh -c \"$Y\"\n", []string{"-A X"}, []string{"0"}},
		{"a file that is not there", "iptables -A X\n. ./lib\n", []string{"-A X"}, []string{"0"}},
		{"a trap", "iptables -A X\ntrap 'iptables -A X' EXIT\n", []string{"-A X"}, []string{"0"}},
		{"no trap", "iptables -A X\ntrap '' INT\ntrap - INT\n", []string{"-A X"}, []string{"1"}},
		{"in a case", "case $1 in\nx)\niptables -A X\niptables -A Y\n;;\nesac\nexit $?\n", []string{"-A X", "-A Y"}, []string{"3", "4 tested"}},
		{"in a loop", "for i in $L; do\niptables -A X\ndone\nR=$?\n", []string{"-A X"}, []string{"2"}},
		{"another's status", "iptables -A X\nf() { [ $? = 0 ]; }\niptables -A Y\necho; echo $?\n", []string{"-A X", "-A Y"}, []string{"1", "3"}},
		{"in braces", "{ iptables -A X; iptables -A Y; } || exit\n", []string{"-A X", "-A Y"}, []string{"1", "1 tested"}},
		{"not the last of a function", "f() { iptables \"$@\"; echo; }\nf -A X || exit\n", []string{"-A X"}, []string{"2"}},
		{"the last of a function", "f() { iptables \"$@\"; }\nf -A X || exit\n", []string{"-A X"}, []string{"2 tested"}},
		{"in a pipe", "iptables -A X | tee l || exit\ncat l | iptables -A Y || exit\n", []string{"-A X", "-A Y"}, []string{"1", "2 tested"}},
		{"not the last condition", "if iptables -A X; true; then :; fi\nwhile :; iptables -A Y; do :; done\n", []string{"-A X", "-A Y"}, []string{"1", "2 tested"}},
		{"not tested", "iptables -C X || iptables -A X\nif true; then iptables -A Y; fi\n",
			[]string{"-A X", "-A Y"}, []string{"1", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls []Call
			for _, c := range tt.calls {
				calls = append(calls, Call{Tool: "iptables", Args: strings.Fields(c)})
			}
			newLineFinder(&source{path: "x.sh", abs: "/nonexistent/x.sh", text: []byte(tt.script)}, "/nonexistent").locate(calls)
			var got []string
			for _, c := range calls {
				s := fmt.Sprint(c.Pos.Line)
				if c.Tested {
					s += " tested"
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// BenchmarkLocate finds the lines of a generated script's calls.
func BenchmarkLocate(b *testing.B) {
	for _, n := range []int{500, 5000, 20_000} {
		var text strings.Builder
		var calls []Call
		for i := range n {
			fmt.Fprintf(&text, "iptables -A INPUT -s 10.0.%d.%d -j DROP\n", i/256, i%256)
			calls = append(calls, Call{Tool: "iptables", Args: strings.Fields(fmt.Sprintf("-A INPUT -s 10.0.%d.%d -j DROP", i/256, i%256))})
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				newLineFinder(&source{path: "x.sh", abs: "/nonexistent/x.sh", text: []byte(text.String())}, "/nonexistent").locate(slices.Clone(calls))
			}
		})
	}
}
