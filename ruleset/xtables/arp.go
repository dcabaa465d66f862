package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

// arpTargets are the targets of arptables.
var arpTargets = []extension{
	{name: "mangle", options: []option{
		{name: "mangle-ip-s", value: arpAddress},
		{name: "mangle-mac-s", value: mac},
		{name: "mangle-ip-d", value: arpAddress},
		{name: "mangle-mac-d", value: mac},
		{name: "mangle-target", value: oneOf("DROP", "CONTINUE", "ACCEPT"), omit: "ACCEPT"},
	}},
	{name: "CLASSIFY", options: []option{{name: "set-class", value: classID("%x:%x"), must: true}}},
	{name: "MARK", options: []option{
		{name: "set-mark", value: arpMark},
		{name: "and-mark", value: arpMark},
		{name: "or-mark", value: arpMark},
	}, finish: arpMarkNone},
}

// arpMark is a value: a mark in hexadecimal, with or without 0x; the save
// prints it without.
func arpMark(_ *env, s string) (string, error) {
	n, rest, ok := scanHex(s, all32)
	if !ok || rest != "" {
		return "", badNumber(0, all32)
	}
	return strconv.FormatUint(n, 16), nil
}

// arpMarkNone prints a mark that changes nothing as the save does.
func arpMarkNone(e *env, m *Module) error {
	if err := exactlyOne("--set-mark", "--and-mark", "--or-mark")(e, m); err != nil {
		return err
	}
	if o := &m.Options[0]; o.Name != "--and-mark" && o.Value() == "0" {
		o.Name, o.Values = "--and-mark", []string{"ffffffff"}
	}
	return nil
}

var arpOpcodes = []string{"Request", "Reply", "Request_Reverse", "Reply_Reverse", "DRARP_Request", "DRARP_Reply", "DRARP_Error", "InARP_Request", "ARP_NAK"}

// arpMasked reads number/mask in a base; the whole mask is not printed.
func arpMasked(s string, limit uint64, scan func(string, uint64) (uint64, string, bool)) (n, mask uint64, ok bool) {
	n, rest, ok := scan(s, limit)
	if !ok || rest == "" {
		return n, limit, ok
	}
	if rest[0] != '/' {
		return 0, 0, false
	}
	mask, rest, ok = scan(rest[1:], limit)
	return n, mask, ok && rest == ""
}

func scanDecimal(s string, limit uint64) (uint64, string, bool) {
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(s[:end], 10, 64)
	return n, s[end:], err == nil && n <= limit
}

func arpString(format string, n, mask, limit uint64, maskFormat string) string {
	out := fmt.Sprintf(format, n)
	if mask != limit {
		out += "/" + fmt.Sprintf(maskFormat, mask)
	}
	return out
}

// arpLength is a value: the length of a hardware address, of which only 6 is
// supported. 6 is the default, so the save leaves it out.
func arpLength(e *env, s string) (string, error) {
	n, mask, ok := arpMasked(s, 255, scanDecimal)
	if !ok || n != 6 {
		return "", fmt.Errorf("only hardware address length of 6 is supported")
	}
	if mask == 255 && !e.negated {
		return "", nil
	}
	return arpString("%d", n, mask, 255, "%d"), nil
}

// arpOpcode is a value: an operation by number or name.
func arpOpcode(_ *env, s string) (string, error) {
	if n, mask, ok := arpMasked(s, 65535, scanDecimal); ok {
		return arpString("%d", n, mask, 65535, "%d"), nil
	}
	for i, name := range arpOpcodes {
		if sameName(name, s) {
			return strconv.Itoa(i + 1), nil
		}
	}
	return "", fmt.Errorf("unknown opcode")
}

// arpHardware is a value: a hardware type in hexadecimal. Ethernet is the
// default. The save of 1.8.9 prints it in decimal, and so a dump is read back
// as another type: what is printed here means the same wherever it is read.
func arpHardware(e *env, s string) (string, error) {
	n, mask, ok := arpMasked(s, 65535, scanHex)
	if !ok {
		if !sameName("Ethernet", s) {
			return "", fmt.Errorf("unknown hardware type")
		}
		n, mask = 1, 65535
	}
	if n == 1 && mask == 65535 && !e.negated {
		return "", nil
	}
	return arpString("0x%x", n, mask, 65535, "0x%x"), nil
}

// arpProtocol is a value: a protocol type by number.
func arpProtocol(_ *env, s string) (string, error) {
	n, mask, ok := arpMasked(s, 65535, scanUint)
	if !ok {
		if !strings.EqualFold(s, "ipv4") {
			return "", fmt.Errorf("unknown protocol type")
		}
		n, mask = 0x800, 65535
	}
	return arpString("0x%x", n, mask, 65535, "0x%x"), nil
}

// arpAddress is a value: an address; what a mask cuts is cut.
func arpAddress(e *env, s string) (string, error) {
	v, err := hostMask(true, false)(e, s)
	address, _, _ := strings.Cut(v, "/")
	return address, err
}
