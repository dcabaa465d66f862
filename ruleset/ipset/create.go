package ipset

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// newSet reads the words behind "create NAME": the type and its options.
func newSet(name, typeName string, args []string) (*set, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	t := typeOf(typeName)
	if t == nil {
		return nil, fmt.Errorf("set type %q is not known", typeName)
	}
	s := &set{name: name, typ: t, options: map[string]string{}, members: map[string]member{},
		hashsize: 1024, maxelem: 65536, netmask: -1, markmask: 1<<32 - 1}
	if t.name == "list:set" {
		s.options["size"] = "8"
	}
	var from, to, family string
	for len(args) > 0 {
		o := strings.TrimPrefix(args[0], "--")
		args = args[1:]
		if o == "-4" || o == "-6" {
			family = o
			continue
		}
		if flag(o) {
			if !slices.Contains(t.create, o) {
				return nil, fmt.Errorf("a %s has no option %s", t.name, o)
			}
			s.options[o] = ""
			continue
		}
		if len(args) == 0 {
			return nil, fmt.Errorf("option %q has no value, or is not known", o)
		}
		v := args[0]
		args = args[1:]
		switch {
		case o == "family" && slices.Contains(t.create, o):
			family = v
		case o == "range" && t.bitmap():
			from, to = v, ""
		case o == "from" && t.bitmap():
			from = v
		case o == "to" && t.bitmap():
			to = v
		case o == "network" && t.bitmap():
			from, to = v, ""
		case ignored[o]:
		case o == "initval":
			if _, err := number(v, 1<<32-1); err != nil {
				return nil, err
			}
		case !slices.Contains(t.create, o):
			return nil, fmt.Errorf("a %s has no option %q", t.name, o)
		default:
			if err := s.option(o, v); err != nil {
				return nil, fmt.Errorf("option %s: %w", o, err)
			}
		}
	}
	switch family {
	case "", "inet", "ipv4", "-4", "any", "unspec":
	case "inet6", "ipv6", "-6":
		s.v6 = true
	default:
		return nil, fmt.Errorf("family %q is not known", family)
	}
	return s, s.finish(from, to)
}

func flag(o string) bool {
	return o == "counters" || o == "comment" || o == "forceadd" || o == "skbinfo"
}

// option reads one option with a value.
func (s *set) option(o, v string) error {
	limit := uint64(1<<32 - 1)
	switch o {
	case "timeout":
		limit = maxTimeout
	case "bucketsize":
		limit = 255
	case "netmask":
		limit = 128
	case "bitmask":
		a, err := netip.ParseAddr(v)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is no address", v)
		}
		s.bitmask = a
		s.options[o] = a.String()
		return nil
	}
	n, err := number(v, limit)
	if err != nil {
		return err
	}
	switch o {
	case "hashsize":
		s.hashsize = powerOfTwo(uint32(n))
		return nil
	case "maxelem":
		s.maxelem = uint32(n)
		return nil
	case "timeout":
		s.timeout, s.timed = uint32(n), true
	case "netmask":
		s.netmask = int(n)
	case "markmask":
		s.markmask = uint32(n)
		s.options[o] = fmt.Sprintf("0x%08x", n)
		return nil
	case "bucketsize":
		// AHASH_INIT_SIZE and AHASH_MAX_SIZE of ip_set_hash_gen.h.
		n = min(max(n, 2), 12)
		n += n % 2
		if n == 12 {
			delete(s.options, o)
			return nil
		}
	case "size":
		n = max(n, 4) // IP_SET_LIST_MIN_SIZE
	}
	s.options[o] = strconv.FormatUint(n, 10)
	return nil
}

// finish checks and completes what depends on several options.
func (s *set) finish(from, to string) error {
	_, s.counters = s.options["counters"]
	_, s.comment = s.options["comment"]
	_, s.skbinfo = s.options["skbinfo"]
	width := 32
	if s.v6 {
		width = 128
	}
	if s.netmask > width || s.netmask == 0 {
		return fmt.Errorf("netmask %d is outside of 1 to %d", s.netmask, width)
	}
	if s.netmask == width {
		s.netmask = -1
		delete(s.options, "netmask")
	}
	if s.bitmask.IsValid() {
		if s.bitmask.Is4() == s.v6 {
			return errors.New("bitmask is of the other address family")
		}
		if s.netmask >= 0 {
			return errors.New("bitmask and netmask exclude each other")
		}
	}
	if s.markmask == 1<<32-1 {
		delete(s.options, "markmask")
	}
	if !s.typ.bitmap() {
		return nil
	}
	if from == "" {
		return fmt.Errorf("a %s needs a range", s.typ.name)
	}
	if to != "" {
		from += "-" + to
	}
	return s.setRange(from)
}

// setRange reads a bitmap's range: at most 65,536 elements
// (IPSET_BITMAP_MAX_RANGE).
func (s *set) setRange(text string) error {
	if s.typ.name == "bitmap:port" {
		text = strings.TrimPrefix(text, "tcp:")
		a, b, err := parsePortRange(text)
		if err != nil {
			return err
		}
		s.low, s.high = uint32(a), uint32(b)
		s.options["range"] = fmt.Sprintf("%d-%d", a, b)
		return nil
	}
	sp, err := parseSpan(text, false)
	if err != nil {
		return err
	}
	s.low, s.high = v4(sp.from), v4(sp.to)
	size := uint64(s.high-s.low) + 1
	if s.netmask > 0 {
		size >>= 32 - s.netmask
	}
	if size > 1<<16 {
		return fmt.Errorf("range %s holds more than 65536 elements", text)
	}
	s.options["range"] = sp.from.String() + "-" + sp.to.String()
	return nil
}
