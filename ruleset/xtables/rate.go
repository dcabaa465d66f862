package xtables

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the spans of time of a rate, the longest first. Save prints the
// short name; any beginning of the long one may be given.
var units = []struct {
	short, long string
	seconds     uint64
}{{"day", "day", 86400}, {"hour", "hour", 3600}, {"min", "minute", 60}, {"sec", "second", 1}}

// scanRate reads "n/unit". It returns the cost of one packet in 1/scale of a
// second, as the kernel holds it, and the seconds of the unit.
func scanRate(s string, scale uint64) (cost, seconds uint64, err error) {
	count, unit, hasUnit := strings.Cut(s, "/")
	seconds = 1
	if hasUnit {
		seconds = 0
		for i := len(units) - 1; i >= 0; i-- {
			if unit != "" && beginsName(units[i].long, unit) {
				seconds = units[i].seconds
				break
			}
		}
	}
	n := leadingNumber(count)
	if n == 0 || seconds == 0 {
		return 0, 0, fmt.Errorf("bad rate")
	}
	if cost = scale * seconds / n; cost == 0 {
		return 0, 0, fmt.Errorf("rate too fast")
	}
	return cost, seconds, nil
}

// leadingNumber reads as atoi(3) does: what follows the digits is ignored.
func leadingNumber(s string) uint64 {
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(s[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// rateString prints a cost in the longest unit that tells it best, and
// returns that unit's seconds.
func rateString(cost, scale uint64) (string, uint64) {
	i := 1
	for ; i < len(units); i++ {
		if whole := scale * units[i].seconds; cost > whole || whole/cost < whole%cost {
			break
		}
	}
	u := units[i-1]
	return strconv.FormatUint(scale*u.seconds/cost, 10) + "/" + u.short, u.seconds
}

// limitRate is a value: the rate of -m limit.
func limitRate(_ *env, s string) (string, error) {
	const scale = 10000 // XT_LIMIT_SCALE
	cost, _, err := scanRate(s, scale)
	if err != nil {
		return "", err
	}
	if cost > math.MaxUint32 {
		return "", fmt.Errorf("bad rate")
	}
	text, _ := rateString(cost, scale)
	return text, nil
}
