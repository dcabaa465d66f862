package xtables

import (
	"fmt"
	"strings"
)

// macNames are the addresses that ebtables knows by name, each with its
// mask.
var macNames = []struct {
	name      string
	mac, mask [6]byte
}{
	{"Unicast", [6]byte{}, [6]byte{1}},
	{"Multicast", [6]byte{1}, [6]byte{1}},
	{"Broadcast", whole, whole},
	{"BGA", [6]byte{0x01, 0x80, 0xc2}, whole},
}

var whole = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// scanMAC reads six bytes in hexadecimal of one or two digits.
func scanMAC(s string) (mac [6]byte, ok bool) {
	for i := range mac {
		part, rest, more := strings.Cut(s, ":")
		if more != (i < 5) || part == "" || len(part) > 2 {
			return mac, false
		}
		for j := range len(part) {
			d := digit(part[j])
			if d >= 16 {
				return mac, false
			}
			mac[i] = mac[i]<<4 | byte(d)
		}
		s = rest
	}
	return mac, true
}

func macString(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}

// mac is a value: one hardware address.
func mac(_ *env, s string) (string, error) {
	m, ok := scanMAC(s)
	if !ok {
		return "", fmt.Errorf("invalid MAC address")
	}
	return macString(m), nil
}

// macMask is a value: a hardware address with a mask, its other bits cut,
// that the save writes as numbers.
func macMask(_ *env, s string) (string, error) {
	mac, mask, err := scanMACMask(s)
	return macMaskString(mac, mask), err
}

// macName is a value: as macMask, but the save writes the name of an
// address that has one.
func macName(_ *env, s string) (string, error) {
	mac, mask, err := scanMACMask(s)
	if err != nil {
		return "", err
	}
	for _, n := range macNames {
		if n.mac == mac && n.mask == mask {
			return n.name, nil
		}
	}
	return macMaskString(mac, mask), nil
}

func scanMACMask(s string) (mac, mask [6]byte, err error) {
	for _, n := range macNames {
		if strings.EqualFold(n.name, s) {
			return n.mac, n.mask, nil
		}
	}
	address, m, ok := strings.Cut(s, "/")
	mask = whole
	if ok {
		if mask, ok = scanMAC(m); !ok {
			return mac, mask, fmt.Errorf("invalid MAC mask")
		}
	}
	if mac, ok = scanMAC(address); !ok {
		return mac, mask, fmt.Errorf("invalid MAC address")
	}
	for i := range mac {
		mac[i] &= mask[i]
	}
	return mac, mask, nil
}

func macMaskString(mac, mask [6]byte) string {
	if mask == whole {
		return macString(mac)
	}
	return macString(mac) + "/" + macString(mask)
}
