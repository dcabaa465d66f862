package xtables

import "fmt"

const all32 = 1<<32 - 1

func scanMark(s string) (mark, mask uint64, err error) {
	mark, mask, ok := scanMasked(s, all32)
	if !ok {
		return 0, 0, fmt.Errorf("bad mark value")
	}
	return mark, mask, nil
}

// markMask is a value: a mark with a mask that the save leaves out where it
// covers all bits.
func markMask(_ *env, s string) (string, error) {
	mark, mask, err := scanMark(s)
	if err != nil {
		return "", err
	}
	if mask == all32 {
		return fmt.Sprintf("0x%x", mark), nil
	}
	return fmt.Sprintf("0x%x/0x%x", mark, mask), nil
}

// The operations on a mark are all one to the kernel: clear the bits of a
// mask, then flip those of a value. The saves print that one.

// xmark is a value: value/mask of the one operation.
func xmark(_ *env, s string) (string, error) {
	mark, mask, err := scanMark(s)
	return fmt.Sprintf("0x%x/0x%x", mark, mask), err
}

// setMark is a value: clear the mask's bits and set the value's.
func setMark(_ *env, s string) (string, error) {
	mark, mask, err := scanMark(s)
	return fmt.Sprintf("0x%x/0x%x", mark, mark|mask), err
}

// operation is a value: a number of bits for which op tells value and mask.
func operation(format string, limit uint64, op func(n uint64) (mark, mask uint64)) value {
	return func(_ *env, s string) (string, error) {
		n, ok := parseUint(s, limit)
		if !ok {
			return "", badNumber(0, limit)
		}
		mark, mask := op(n)
		return fmt.Sprintf(format, mark, mask&limit), nil
	}
}

func bitAnd(n uint64) (uint64, uint64) { return 0, ^n }
func bitOr(n uint64) (uint64, uint64)  { return n, n }
func bitXor(n uint64) (uint64, uint64) { return n, 0 }

const markFormat, tosFormat = "0x%x/0x%x", "0x%02x/0x%02x"

// tosNames are the services of RFC 1349.
var tosNames = map[string]uint64{
	"Minimize-Delay": 0x10, "Maximize-Throughput": 0x08, "Maximize-Reliability": 0x04, "Minimize-Cost": 0x02, "Normal-Service": 0,
}

// tosMask is a value: a type of service with its mask. A name stands for the
// six upper bits less two, mask 0x3f.
func tosMask(_ *env, s string) (string, error) {
	if v, mask, ok := scanMasked(s, 255); ok {
		return fmt.Sprintf(tosFormat, v, mask), nil
	}
	for name, v := range tosNames {
		if sameName(name, s) {
			return fmt.Sprintf(tosFormat, v, 0x3f), nil
		}
	}
	return "", fmt.Errorf("unknown type of service %q", s)
}

// dscpClasses are the per-hop behaviours of RFC 2474, 2597 and 3246.
var dscpClasses = []struct {
	name string
	dscp int
}{
	{"CS0", 0x00}, {"CS1", 0x08}, {"CS2", 0x10}, {"CS3", 0x18}, {"CS4", 0x20}, {"CS5", 0x28}, {"CS6", 0x30}, {"CS7", 0x38},
	{"BE", 0x00}, {"AF11", 0x0a}, {"AF12", 0x0c}, {"AF13", 0x0e}, {"AF21", 0x12}, {"AF22", 0x14}, {"AF23", 0x16},
	{"AF31", 0x1a}, {"AF32", 0x1c}, {"AF33", 0x1e}, {"AF41", 0x22}, {"AF42", 0x24}, {"AF43", 0x26}, {"EF", 0x2e},
}

// dscpClass is a value: the code point of a class.
func dscpClass(_ *env, s string) (string, error) {
	for _, c := range dscpClasses {
		if beginsName(s, c.name) {
			return fmt.Sprintf("0x%02x", c.dscp), nil
		}
	}
	return "", fmt.Errorf("invalid DSCP class")
}

// valueMask is a value: a number with a mask, or a name of a file of
// iproute2, which is kept.
func valueMask(_ *env, s string) (string, error) {
	v, rest, ok := scanUint(s, all32)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		if s == "" || s[0] == '/' {
			return "", fmt.Errorf("bad value")
		}
		return s, nil
	case rest == "":
		return fmt.Sprintf("0x%x", v), nil
	}
	mask, ok := parseUint(rest[1:], all32)
	if !ok {
		return "", badNumber(0, all32)
	}
	if mask == all32 {
		return fmt.Sprintf("0x%x", v), nil
	}
	return fmt.Sprintf("0x%x/0x%x", v, mask), nil
}
