package lab

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rejections are the answers of REJECT in the words that iptables-save has for
// them (iptables-extensions(8)), by type and code of the ICMP error.
var rejections = map[[2]uint8]string{
	{3, 0}: "icmp-net-unreachable", {3, 1}: "icmp-host-unreachable", {3, 2}: "icmp-proto-unreachable",
	{3, 3}: "icmp-port-unreachable", {3, 9}: "icmp-net-prohibited", {3, 10}: "icmp-host-prohibited",
	{3, 13}: "icmp-admin-prohibited",
}

var rejections6 = map[[2]uint8]string{
	{1, 0}: "icmp6-no-route", {1, 1}: "icmp6-adm-prohibited", {1, 3}: "icmp6-addr-unreachable",
	{1, 4}: "icmp6-port-unreachable", {1, 5}: "icmp6-policy-fail", {1, 6}: "icmp6-reject-route",
}

const tcpReset = "tcp-reset"

// rejection returns a kind of rejection in the words of iptables-save, which
// knows further names for most: nft's, and those without icmp.
func rejection(word string, v6 bool) (string, bool) {
	word = strings.TrimPrefix(word, "icmpv6-")
	if slices.Contains([]string{tcpReset, "tcp-rst", "rst", "reset"}, word) {
		return tcpReset, true
	}
	names, prefix := rejections, "icmp-"
	if v6 {
		names, prefix = rejections6, "icmp6-"
	}
	word = strings.TrimPrefix(strings.TrimPrefix(word, "icmp6-"), "icmp-")
	if long, ok := map[string]string{"adm-prohibited": "admin-prohibited", "addr-unreach": "addr-unreachable", "addr-unreachable": "addr-unreachable",
		"net-unreach": "net-unreachable", "host-unreach": "host-unreachable", "port-unreach": "port-unreachable", "proto-unreach": "proto-unreachable"}[word]; ok {
		word = long
	}
	if v6 && word == "admin-prohibited" {
		word = "adm-prohibited"
	}
	for _, name := range names {
		if name == prefix+word {
			return name, true
		}
	}
	return "", false
}

// verdictWords are what an expectation begins with.
const verdictWords = "accepted, unanswered, dropped, rejected, unroutable, answered, or 3 of 10 accepted"

func (r *reader) expectation(s *Spec, t *Test, n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for _, p := range r.mapping(n, "an expectation", expectKeys...) {
			if p.name == "outcome" {
				r.expected(s, t, p.value)
				continue
			}
			r.expectKey(s, t, p.name, r.text(p.value, p.name), p.value)
		}
	} else {
		r.expected(s, t, n)
	}
	if e := t.Expect; e.Verdict == "" && e.Passed == nil {
		r.fail(n, "the test expects neither accepted, dropped, rejected, unanswered nor unroutable")
	}
	if e := t.Expect; e.Verdict == Dropped || e.Verdict == Rejected || e.Verdict == Unroutable {
		if e.By != "" || e.Source != "" || e.Destination != "" || e.Answer != nil {
			r.fail(n, "what is %s arrives nowhere: by, source, destination and answer are of what is accepted or unanswered", e.Verdict)
		}
	}
	if p := t.Expect.Passed; p != nil && p.High > t.Times {
		r.fail(n, "the test is sent %d times, of which %d cannot be accepted", t.Times, p.High)
	}
}

// expected reads the short form.
func (r *reader) expected(s *Spec, t *Test, n *yaml.Node) {
	words := r.split(n)
	e := &t.Expect
	answered := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch v := Verdict(w); {
		case v == Accepted || v == Unanswered || v == Dropped || v == Rejected || v == Unroutable || w == "answered":
			if e.Verdict != "" {
				r.fail(n, "the test expects both %s and %s", e.Verdict, w)
			}
			if e.Verdict = v; w == "answered" {
				e.Verdict, answered = Accepted, true
			}
			continue
		case i+3 < len(words) && words[i+1] == "of" && words[i+3] == string(Accepted):
			if t.Times == 1 {
				v, err := strconv.Atoi(words[i+2])
				if err != nil || v < 1 || v > 10000 {
					r.fail(n, "%q is no number of times", words[i+2])
				}
				t.Times = v
			} else if words[i+2] != strconv.Itoa(t.Times) {
				r.fail(n, "the test is sent %d times, not %s", t.Times, words[i+2])
			}
			r.expectKey(s, t, "passed", w, n)
			i += 3
			continue
		case i+1 == len(words) && slices.Contains(expectKeys[1:], w):
			r.fail(n, "%s wants a value", w)
		case i+1 == len(words):
			r.fail(n, "unknown word %q in an expectation; it begins with a verdict: %s", w, verdictWords)
		case w == "with" && e.Verdict == Rejected:
			w = "reject"
		case w == "with" && answered:
			w = "answer"
		case w == "outcome" || !slices.Contains(expectKeys, w):
			r.fail(n, "unknown word %q in an expectation; it is a verdict, then %s, each with a value", w, strings.Join(expectKeys[1:], ", "))
		}
		i++
		r.expectKey(s, t, w, words[i], n)
	}
}

func (r *reader) expectKey(s *Spec, t *Test, key, value string, n *yaml.Node) {
	e := &t.Expect
	switch key {
	case "reject":
		kind, ok := rejection(value, false)
		if six, ok6 := rejection(value, true); ok6 && (!ok || t.Probe.V6 || strings.HasPrefix(value, "icmp6-") || strings.HasPrefix(value, "icmpv6-")) {
			kind, ok = six, true
		}
		if !ok {
			r.fail(n, "unknown answer of REJECT %q", value)
		}
		e.Reject = kind
	case "by":
		if s.Host(value) == nil {
			r.fail(n, "no network has a host %q", value)
		}
		e.By = value
	case "answer":
		e.Answer = &value
	case "source":
		e.Source = r.endpoint(s, value, n)
	case "destination":
		e.Destination = r.endpoint(s, value, n)
	case "mark":
		e.Mark = r.mark(value, n)
	case "passed":
		low, high, dash := strings.Cut(value, "-")
		if !dash {
			high = low
		}
		a, aerr := strconv.Atoi(low)
		b, berr := strconv.Atoi(high)
		if aerr != nil || berr != nil || a < 0 || b < a {
			r.fail(n, "%q is no number such as 5 or 5-6", value)
		}
		e.Passed = &Range{a, b}
	}
}

// endpoint reads ADDRESS, ADDRESS:PORT or :PORT.
func (r *reader) endpoint(_ *Spec, value string, n *yaml.Node) string {
	if port, ok := strings.CutPrefix(value, ":"); ok {
		if v, err := strconv.ParseUint(port, 10, 16); err == nil && v > 0 {
			return value
		}
	}
	if a, err := netip.ParseAddr(value); err == nil {
		return a.String()
	}
	if ap, err := netip.ParseAddrPort(value); err == nil {
		return ap.String()
	}
	r.fail(n, "%q is neither ADDRESS, ADDRESS:PORT nor :PORT", value)
	return ""
}

func (r *reader) mark(value string, n *yaml.Node) *Mark {
	v, mask, masked := strings.Cut(value, "/")
	m := Mark{Mask: ^uint32(0)}
	x, err := strconv.ParseUint(v, 0, 32)
	if err == nil && masked {
		var y uint64
		y, err = strconv.ParseUint(mask, 0, 32)
		m.Mask = uint32(y)
	}
	if err != nil {
		r.fail(n, "%q is no mark such as 0x10 or 0x10/0xff", value)
	}
	m.Value = uint32(x)
	return &m
}

// split returns the words of an expectation. A word may stand in double quotes,
// and a comma may follow any.
func (r *reader) split(n *yaml.Node) []string {
	text := r.text(n, "an expectation")
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimLeft(text, " \t\n,") {
		if q, err := strconv.QuotedPrefix(text); err == nil && q[0] == '"' {
			w, _ := strconv.Unquote(q)
			out, text = append(out, w), text[len(q):]
			continue
		}
		end := strings.IndexAny(text, " \t\n,")
		if end < 0 {
			end = len(text)
		}
		out, text = append(out, text[:end]), text[end:]
	}
	return out
}
