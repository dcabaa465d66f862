package packets

import (
	"net/netip"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// translate changes the destination.
func (r *reader) translate(t *xtables.Module, a *action) (*condition, error) {
	a.kind = accept
	tr := translation{local: t.Name == "REDIRECT", redirect: t.Name == "REDIRECT"}
	text := ""
	for _, name := range []string{"--to-destination", "--to-ports"} {
		if o := t.Option(name); o != nil {
			text = o.Value()
		}
	}
	tr.text = strings.TrimPrefix(targetText(t), "-j ")
	var err error
	if tr.local {
		tr.port, err = natPorts(text)
	} else {
		tr.to, tr.port, err = natRange(text)
	}
	if err != nil {
		return nil, err
	}
	a.effect.translation, a.effect.settled = int32(r.translation(tr)), true
	return yes, nil
}

// natRange reads address[-address][:port[-port]], IPv6 in brackets.
func natRange(s string) (to, port spans, err error) {
	addresses, ports := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		addresses, ports, _ = strings.Cut(inner, "]")
		ports = strings.TrimPrefix(ports, ":")
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		addresses, ports = s[:i], s[i+1:]
	}
	if addresses != "" {
		low, high, isRange := strings.Cut(addresses, "-")
		a, err := netip.ParseAddr(low)
		if err != nil {
			return nil, nil, err
		}
		b := a
		if isRange {
			if b, err = netip.ParseAddr(high); err != nil {
				return nil, nil, err
			}
		}
		if b.Less(a) {
			a, b = b, a
		}
		to = spans{{ofAddress(a), ofAddress(b)}}
	}
	port, err = natPorts(ports)
	return to, port, err
}

// natPorts reads port[-port][/base].
func natPorts(s string) (spans, error) {
	if s == "" {
		return nil, nil
	}
	s, _, _ = strings.Cut(s, "/")
	return numberRange(strings.Replace(s, "-", ":", 1), 16)
}

func (r *reader) translateSource(t *xtables.Module, a *action) (*condition, error) {
	a.kind = accept
	tr := translation{text: strings.TrimPrefix(targetText(t), "-j "), local: t.Name == "MASQUERADE"}
	var err error
	if o := t.Option("--to-source"); o != nil {
		tr.to, tr.port, err = natRange(o.Value())
	}
	a.effect.source, a.effect.settled = int32(r.source(tr)), true
	return yes, err
}

// translateNetwork maps networks onto each other: of the destination in
// PREROUTING and OUTPUT, of the source elsewhere. The host bits stay.
func (r *reader) translateNetwork(t *xtables.Module, a *action) (*condition, error) {
	a.kind = accept
	tr := translation{text: strings.TrimPrefix(targetText(t), "-j "), local: true}
	address := fieldDst
	if r.sourceHook {
		address = fieldSrc
	}
	o := t.Option("--to")
	if o != nil {
		// What is in the network already is not translated.
		if p, err := netip.ParsePrefix(o.Value()); err == nil {
			low := ofAddress(p.Masked().Addr())
			tr.same = in(address, spans{{low, low.or(ones(address.width(r.v6) - p.Bits()))}}, r.v6)
		}
	}
	if r.sourceHook {
		if tr.same != nil && tr.same.op == inSet {
			tr.to = tr.same.set
			tr.local = tr.to[0].low != tr.to[0].high
		}
		a.effect.source, a.effect.settled = int32(r.source(tr)), true
		return yes, nil
	}
	n := r.translation(tr)
	if o != nil {
		r.mapped(&r.translations[n], o.Value())
	}
	a.effect.translation, a.effect.settled = int32(n), true
	return yes, nil
}

// proxy hands the packet to a local socket, or drops it where none listens.
func (r *reader) proxy(t *xtables.Module, a *action) (*condition, error) {
	text := targetText(t)
	a.kind, a.final = eitherAccept, Drop
	r.unknown++
	a.unknown = r.atomNumber(Atom{Text: "a socket listens for " + text}, false)
	a.effect.notes = int32(r.note(0, text))
	if o := t.Option("--tproxy-mark"); o != nil {
		v, mask, err := maskedNumber(o.Value(), 32)
		if err != nil {
			return nil, err
		}
		a.effect.mark = linear{mark: ^uint32(mask.lo), constant: uint32(v.lo)}
	}
	return yes, nil
}
