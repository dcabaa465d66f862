//go:build !host

package cli

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/compiler"
	"github.com/fwc-dev/fwc/lab"
)

// tracePacket is a packet, and what a trace wants to know beside.
type tracePacket struct {
	lab.Packet
	out, state string
}

// quotedWord is the word that an error of lab.ParsePacket complains about.
var quotedWord = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// tokens are the words of a packet and where they stand.
var tokens = regexp.MustCompile(`[^\s>→]+`)

// parseTracePacket reads --packet. Its errors tell the column, from 1.
func parseTracePacket(text string) (p tracePacket, err error) {
	rest := []byte(text)
	at := tokens.FindAllStringIndex(text, -1)
	for i := 0; i < len(at); i++ {
		word := text[at[i][0]:at[i][1]]
		if i < 3 || word != "out" && word != "state" {
			continue
		}
		if i+1 == len(at) {
			return p, packetErrorf(at[i][0], "%q wants a value", word)
		}
		value := text[at[i+1][0]:at[i+1][1]]
		if word == "out" {
			if _, err := compiler.ParseIface(value); err != nil {
				return p, packetErrorf(at[i+1][0], "%v", err)
			}
			p.out = value
		} else if p.state, err = lab.ParseTraceState(value); err != nil {
			return p, packetErrorf(at[i+1][0], "%v", err)
		}
		for j := at[i][0]; j < at[i+1][1]; j++ {
			rest[j] = ' '
		}
		i++
	}
	if p.Packet, err = lab.ParsePacket(string(rest)); err != nil {
		if m := quotedWord.FindStringSubmatch(err.Error()); m != nil {
			word, uerr := strconv.Unquote(`"` + m[1] + `"`)
			if i := strings.Index(text, word); uerr == nil && i >= 0 && word != text {
				return p, packetErrorf(i, "%v", err)
			}
		}
		return p, hintf(usagef("--packet: %v", err), "such as --packet 'tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0'")
	}
	if p.In != "" {
		if _, err := compiler.ParseIface(p.In); err != nil {
			return p, packetErrorf(strings.LastIndex(text, p.In), "%v", err)
		}
	}
	if (p.state == "established" || p.state == "reply") && p.Proto == lab.TCP && !strings.Contains(text, " flags ") {
		p.Flags = 16 // ACK: a SYN is no packet of an established connection
	}
	return p, nil
}

func packetErrorf(at int, format string, args ...any) error {
	return hintf(usagef("--packet, column "+strconv.Itoa(at+1)+": "+format, args...), "such as --packet 'tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0'")
}
