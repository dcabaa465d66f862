package ipset

// Timeout returns the canonical form of a remaining time in seconds, of a
// member of a set whose default is def seconds.
//
// ipset save prints what remains, so two builds a few seconds apart would
// never be equal. The remaining time becomes the set's default where it is
// less than one step below it, and is rounded up to a step otherwise: 5 s
// below two minutes, 10 s below ten minutes, a minute below an hour, five
// minutes below a day, an hour above. Times are round numbers as people write them,
// and those stay what they were: 600 is 600, and so is the 597 that is left
// of it. Rounding up never lets a member die earlier than the script wanted,
// and keeps it at most a tenth longer, or 5 s. 0, for ever, stays 0.
func Timeout(remaining, def uint32) uint32 {
	if remaining == 0 {
		return 0
	}
	step := timeoutStep(remaining)
	up := (remaining + step - 1) / step * step
	if up > maxTimeout {
		up = maxTimeout
	}
	if remaining <= def && (up >= def || def-up < timeoutStep(def)) {
		return def
	}
	return up
}

// maxTimeout is the longest timeout in seconds, UINT_MAX/2 milliseconds:
// ipset_parse_timeout.
const maxTimeout = (1<<31 - 1) / 1000

func timeoutStep(t uint32) uint32 {
	switch {
	case t < 120:
		return 5
	case t < 600:
		return 10
	case t < 3600:
		return 60
	case t < 86400:
		return 300
	}
	return 3600
}
