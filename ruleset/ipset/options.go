package ipset

import (
	"fmt"
	"strconv"
	"strings"
)

// memberOptions reads the options of an add line and returns them in canonical
// form, and before or after of a list:set with the name it refers to.
func (s *set) memberOptions(args []string) (options, where, ref string, err error) {
	if len(args) == 0 && !s.timed {
		return "", "", "", nil
	}
	given := map[string]string{}
	for len(args) > 0 {
		o := strings.TrimPrefix(args[0], "--")
		args = args[1:]
		switch {
		case o == "nomatch" && s.typ.nomatch, o == "wildcard" && s.typ.name == "hash:net,iface":
			given[o] = ""
			continue
		}
		if len(args) == 0 {
			return "", "", "", fmt.Errorf("option %q has no value, or is not known", o)
		}
		v := args[0]
		args = args[1:]
		if (o == "before" || o == "after") && s.typ.name == "list:set" {
			where, ref = o, v
			continue
		}
		if err := s.memberOption(given, o, v); err != nil {
			return "", "", "", err
		}
	}
	if s.timed && given["timeout"] == "" {
		given["timeout"] = strconv.FormatUint(uint64(Timeout(s.timeout, s.timeout)), 10)
	}
	var words []string
	for _, o := range addOptions {
		v, ok := given[o]
		switch {
		case ok && v == "":
			words = append(words, o)
		case ok:
			words = append(words, o+" "+v)
		}
	}
	return strings.Join(words, " "), where, ref, nil
}

// memberOption reads one option with a value. Options the set was not created
// for are errors, as they are in the kernel.
func (s *set) memberOption(given map[string]string, o, v string) error {
	switch o {
	case "timeout":
		n, err := number(v, maxTimeout)
		if err != nil {
			return fmt.Errorf("timeout: %w", err)
		}
		if !s.timed {
			return fmt.Errorf("set %s was made without timeout", s.name)
		}
		given[o] = strconv.FormatUint(uint64(Timeout(uint32(n), s.timeout)), 10)
		return nil
	case "packets", "bytes":
		if _, err := number(v, 1<<64-1); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
		if !s.counters {
			return fmt.Errorf("set %s was made without counters", s.name)
		}
		return nil
	case "comment":
		switch {
		case !s.comment:
			return fmt.Errorf("set %s was made without comment", s.name)
		case checkWord(v) != nil || len(v) > 255:
			return fmt.Errorf("comment %.20q… cannot be stored", v)
		}
		given[o] = `"` + v + `"`
		return nil
	case "skbmark", "skbprio", "skbqueue":
		if !s.skbinfo {
			return fmt.Errorf("set %s was made without skbinfo", s.name)
		}
		text, err := skbOption(o, v)
		if err != nil {
			return err
		}
		if text != "" {
			given[o] = text
		}
		return nil
	}
	return fmt.Errorf("an element of a %s has no option %q", s.typ.name, o)
}

// skbOption returns the canonical value of an skbinfo option, "" where the
// kernel does not report it (ip_set_put_skbinfo).
func skbOption(o, v string) (string, error) {
	bad := fmt.Errorf("%q is no %s", v, o)
	switch o {
	case "skbmark":
		m, k, both := strings.Cut(v, "/")
		mark, errM := hex32(m)
		mask := uint32(1<<32 - 1)
		var errK error
		if both {
			mask, errK = hex32(k)
		}
		switch {
		case errM != nil || errK != nil || !strings.HasPrefix(m, "0x") || both && !strings.HasPrefix(k, "0x"):
			return "", bad
		case mark == 0 && mask == 0:
			return "", nil
		case mask == 1<<32-1:
			return fmt.Sprintf("0x%x", mark), nil
		}
		return fmt.Sprintf("0x%x/0x%x", mark, mask), nil
	case "skbprio":
		a, b, ok := strings.Cut(v, ":")
		major, errA := hex32(a)
		minor, errB := hex32(b)
		switch {
		case !ok || errA != nil || errB != nil || major > 0xffff || minor > 0xffff:
			return "", bad
		case major == 0 && minor == 0:
			return "", nil
		}
		return fmt.Sprintf("%x:%x", major, minor), nil
	}
	n, err := number(v, 65535)
	if err != nil || n == 0 {
		return "", err
	}
	return strconv.FormatUint(n, 10), nil
}

func hex32(s string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 32)
	return uint32(n), err
}
