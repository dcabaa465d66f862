package packets

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// action is what a rule does with a packet that fits.
type action struct {
	kind   actionKind
	chain  string // of a jump or goto
	effect effect
	// final is the outcome's word of a verdict that is neither accept nor drop:
	// "rejected with tcp-reset".
	final Verdict
	with  string
	// unknown is the atom that an unknown target decides by: it goes on, or it
	// ends the packet's way.
	unknown int
}

type actionKind uint8

const (
	goOn         actionKind = iota // with the effect, if any
	accept                         // the table, with the effect
	finish                         // the journey
	ret                            // to the calling chain
	jump                           // to a chain and back
	jumpAway                       // to a chain and back to where this one was called
	either                         // goOn or finish, by an atom
	eitherAccept                   // accept or finish, by an atom
)

// passive are the targets that leave the packet as it is and go on.
var passive = map[string]bool{"LOG": true, "NFLOG": true, "ULOG": true, "AUDIT": true, "TRACE": true, "RATEEST": true,
	"LED": true, "IDLETIMER": true, "CHECKSUM": true}

// remarked are the targets that change what packet space does not look into
// and go on: the change is part of the outcome.
var remarked = map[string]bool{"TCPMSS": true, "TCPOPTSTRIP": true, "CLASSIFY": true, "SECMARK": true, "CONNSECMARK": true,
	"TEE": true, "ECN": true, "SET": true}

// action returns what a target does, and the condition that must hold beside
// the rule's for it to do so.
func (r *reader) action(s *xtables.Spec, chains map[string]bool) (action, *condition, error) {
	t := &s.Target
	a := action{effect: noEffect}
	r.asksFor = nil
	for i := range s.Header {
		if o := &s.Header[i]; o.Name == "-d" && !o.Negated {
			if c, err := r.address(fieldDst, o.Value()); err == nil && c.op == inSet {
				r.asksFor = c.set
			}
		}
	}
	switch t.Name {
	case "", "CONTINUE":
		return a, yes, nil
	case "ACCEPT":
		a.kind = accept
		return a, yes, nil
	case "DROP":
		a.kind, a.final = finish, Drop
		return a, yes, nil
	case "RETURN":
		a.kind = ret
		return a, yes, nil
	case "REJECT":
		a.kind, a.final = finish, Reject
		if o := t.Option("--reject-with"); o != nil {
			a.with = o.Value()
		}
		return a, yes, nil
	case "QUEUE":
		a.kind, a.final, a.with = finish, Queue, "0"
		return a, yes, nil
	case "NFQUEUE":
		a.kind, a.final = finish, Queue
		a.with = strings.TrimSpace(strings.TrimPrefix(targetText(t), "-j NFQUEUE"))
		return a, yes, nil
	}
	if chains[t.Name] {
		a.kind, a.chain = jump, t.Name
		if s.Goto {
			a.kind = jumpAway
		}
		return a, yes, nil
	}
	if passive[t.Name] {
		return a, yes, nil
	}
	if change := changes[t.Name]; change != nil && !t.Opaque {
		c, err := change(r, t, &a)
		if err != nil {
			return a, nil, fmt.Errorf("-j %s: %w", t.Name, err)
		}
		return a, c, nil
	}
	if remarked[t.Name] && !t.Opaque {
		a.effect.notes = int32(r.note(0, targetText(t)))
		a.effect.markMade = t.Option("--map-mark") != nil
		return a, yes, nil
	}
	return r.unknownTarget(a, t), yes, nil
}

func (r *reader) unknownTarget(a action, t *xtables.Module) action {
	text := targetText(t)
	r.unknown++
	a.kind, a.final, a.with = either, Handled, text
	a.unknown = r.atomNumber(Atom{Text: text + " lets packets go on", Scope: ""}, true)
	a.effect.notes = int32(r.note(0, text))
	return a
}

func targetText(t *xtables.Module) string {
	s := xtables.Spec{Target: *t}
	return s.String()
}

// changes are the targets that change a packet in a way that counts further on.
var changes map[string]func(*reader, *xtables.Module, *action) (*condition, error)

func init() {
	changes = map[string]func(*reader, *xtables.Module, *action) (*condition, error){
		"MARK": (*reader).setMark, "CONNMARK": (*reader).setConnmark,
		"TOS": (*reader).setTOS, "DSCP": (*reader).setTOS, "TTL": (*reader).setTTL, "HL": (*reader).setTTL,
		"CT": (*reader).setTracking, "NOTRACK": (*reader).setTracking,
		"DNAT": (*reader).translate, "REDIRECT": (*reader).translate,
		"SNAT": (*reader).translateSource, "MASQUERADE": (*reader).translateSource,
		"NETMAP": (*reader).translateNetwork, "TPROXY": (*reader).proxy,
		"HMARK": (*reader).setHash,
	}
}

func (r *reader) setMark(t *xtables.Module, a *action) (*condition, error) {
	o := t.Option("--set-xmark")
	if o == nil {
		return nil, fmt.Errorf("no mark")
	}
	v, mask, err := maskedNumber(o.Value(), 32)
	a.effect.mark = linear{mark: ^uint32(mask.lo), constant: uint32(v.lo)}
	return yes, err
}

// setConnmark follows connmark_tg of xt_connmark.c; a packet without a
// connection passes by. In table raw it is about a template's mark, which stays
// that for all packets to come and is no connection's.
func (r *reader) setConnmark(t *xtables.Module, a *action) (*condition, error) {
	restores := t.Option("--restore-mark") != nil
	if r.raw && !restores {
		return yes, nil
	}
	if t.Option("--left-shift-mark") != nil || t.Option("--right-shift-mark") != nil || r.raw && r.tracking&templateMarks != 0 {
		a.effect.notes = int32(r.note(0, targetText(t)))
		a.effect.markMade, a.effect.connmarkMade = restores, !restores
	}
	mask := func(name string) (uint32, error) {
		o := t.Option(name)
		if o == nil {
			return 1<<32 - 1, nil
		}
		n, err := strconv.ParseUint(o.Value(), 0, 32)
		return uint32(n), err
	}
	nf, err := mask("--nfmask")
	if err != nil {
		return nil, err
	}
	ct, err := mask("--ctmask")
	if err != nil {
		return nil, err
	}
	switch {
	case t.Option("--save-mark") != nil:
		a.effect.connmark = linear{mark: nf, connmark: ^ct}
	case restores && r.raw:
		a.effect.mark = linear{mark: ^nf}
	case restores:
		a.effect.mark = linear{mark: ^nf, connmark: ct}
	case t.Option("--set-xmark") != nil:
		v, m, err := maskedNumber(t.Option("--set-xmark").Value(), 32)
		if err != nil {
			return nil, err
		}
		a.effect.connmark = linear{connmark: ^uint32(m.lo), constant: uint32(v.lo)}
	default:
		return nil, fmt.Errorf("no mark")
	}
	return r.connected(), nil
}

func (r *reader) setTOS(t *xtables.Module, a *action) (*condition, error) {
	if o := t.Option("--set-dscp"); o != nil {
		n, err := strconv.ParseUint(o.Value(), 0, 6)
		a.effect.tosKeep, a.effect.tosFlip = 3, uint8(n<<2)
		return yes, err
	}
	o := t.Option("--set-tos")
	if o == nil {
		return nil, fmt.Errorf("no value")
	}
	v, mask, err := maskedNumber(o.Value(), 8)
	a.effect.tosKeep, a.effect.tosFlip = ^uint8(mask.lo), uint8(v.lo)
	return yes, err
}

func (r *reader) setTTL(t *xtables.Module, a *action) (*condition, error) {
	for _, name := range []string{"--ttl-set", "--hl-set"} {
		if o := t.Option(name); o != nil {
			n, err := strconv.ParseUint(o.Value(), 0, 8)
			a.effect.ttl = lifetimeOf(uint8(n))
			return yes, err
		}
	}
	for name, sign := range map[string]int16{"--ttl-inc": 1, "--hl-inc": 1, "--ttl-dec": -1, "--hl-dec": -1} {
		if o := t.Option(name); o != nil {
			n, err := strconv.ParseUint(o.Value(), 0, 8)
			a.effect.ttl = lifetime{add: sign * int16(n), high: 255}
			return yes, err
		}
	}
	return nil, fmt.Errorf("no time to live")
}

// setTracking is about packets that are not tracked yet. The first such rule is
// the last that counts (xt_ct_target of xt_CT.c).
func (r *reader) setTracking(t *xtables.Module, a *action) (*condition, error) {
	if t.Name == "NOTRACK" || t.Option("--notrack") != nil {
		a.effect.notrack = true
		if r.tracking&templates == 0 {
			return yes, nil
		}
		return is(fieldTemplate, 0), nil
	}
	a.effect.notes, a.effect.template = int32(r.note(0, targetText(t))), true
	if r.tracking&notracks == 0 {
		return is(fieldTemplate, 0), nil
	}
	return allOf(is(fieldTemplate, 0), is(fieldNotrack, 0)), nil
}
