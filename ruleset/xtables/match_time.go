package xtables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var weekdays = []string{"", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

const (
	dayStart, dayStop = "00:00:00", "23:59:59"
	firstDate         = "1970-01-01T00:00:00"
	lastDate          = "2038-01-19T03:14:07" // the save prints it where no end is given
	allWeekdays       = 0xfe
	allMonthdays      = 0xfffffffe
)

var timeOptions = []option{
	{name: "timestart", value: timeOfDay, fill: dayStart},
	{name: "timestop", value: timeOfDay, fill: dayStop},
	{name: "monthdays", value: dayMask(31, nil), invert: true},
	{name: "weekdays", value: dayMask(7, weekdays), invert: true},
	{name: "datestart", value: date, omit: firstDate},
	{name: "datestop", value: date, fill: lastDate},
	{name: "kerneltz", aliases: "localtz", args: none},
	{name: "contiguous", args: none},
	{name: "utc", args: none},
}

// timeSpans drops what says nothing and turns a negation into the days that
// are left.
func timeSpans(_ *env, m *Module) error {
	var options []Option
	whole := m.Option("--timestart").Value() == dayStart && m.Option("--timestop").Value() == dayStop
	for _, o := range m.Options {
		switch o.Name {
		case "--timestart", "--timestop":
			if whole {
				continue
			}
		case "--monthdays":
			if o = daysOf(o, allMonthdays, nil); o.Name == "" {
				continue
			}
		case "--weekdays":
			if o = daysOf(o, allWeekdays, weekdays); o.Name == "" {
				continue
			}
		case "--contiguous":
			if m.Option("--timestart").Value() < m.Option("--timestop").Value() {
				return fmt.Errorf("--contiguous only makes sense when stoptime is smaller than starttime")
			}
		case "--utc":
			continue
		}
		options = append(options, o)
	}
	m.Options = options
	return nil
}

// timeOfDay is a value: hh:mm or hh:mm:ss.
func timeOfDay(_ *env, s string) (string, error) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return "", fmt.Errorf("invalid time, should be hh:mm[:ss]")
	}
	t := [3]uint64{}
	for i, limit := range []uint64{23, 59, 59}[:len(parts)] {
		n, err := strconv.ParseUint(parts[i], 10, 8)
		if err != nil || n > limit {
			return "", fmt.Errorf("invalid time, should be hh:mm[:ss]")
		}
		t[i] = n
	}
	return fmt.Sprintf("%02d:%02d:%02d", t[0], t[1], t[2]), nil
}

// dayMask is a value: days by number, or by name where names are given,
// printed as the sum of their bits.
func dayMask(last int, names []string) value {
	return func(_ *env, s string) (string, error) {
		var mask uint64
	next:
		for item := range strings.SplitSeq(s, ",") {
			if n, ok := parseUint(item, uint64(last)); ok {
				if n == 0 {
					return "", fmt.Errorf("days count from 1")
				}
				mask |= 1 << n
				continue
			}
			for i, name := range names {
				if i > 0 && len(item) >= 2 && item[:2] == name[:2] {
					mask |= 1 << i
					continue next
				}
			}
			return "", fmt.Errorf("%q is not a valid day", item)
		}
		return strconv.FormatUint(mask, 10), nil
	}
}

// daysOf returns the option with the days that are meant, a negation turned
// into the days that are left. All days say nothing, which is no option. No
// day is the negation of all, where the save prints an empty list.
func daysOf(o Option, all uint64, names []string) Option {
	mask, _ := strconv.ParseUint(o.Value(), 10, 64)
	if o.Negated {
		mask ^= all
	}
	if o.Negated = mask == 0; o.Negated {
		mask = all
	} else if mask == all {
		return Option{}
	}
	o.Values = []string{dayNames(mask, names)}
	return o
}

func dayNames(mask uint64, names []string) string {
	var list []string
	for i := 1; i < 32; i++ {
		if mask&(1<<i) == 0 {
			continue
		}
		if names != nil {
			list = append(list, names[i])
		} else {
			list = append(list, strconv.Itoa(i))
		}
	}
	return strings.Join(list, ",")
}

// date is a value: YYYY[-MM[-DD[Thh[:mm[:ss]]]]].
func date(_ *env, s string) (string, error) {
	d := [6]uint64{0, 1, 1}
	limits := [6]uint64{2038, 12, 31, 23, 59, 59}
	seps := "--T::"
	for i := range d {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(s)
		}
		n, err := strconv.ParseUint(s[:end], 10, 16)
		if err != nil || n > limits[i] || i == 0 && n < 1970 {
			return "", errDate
		}
		d[i] = n
		if s = s[end:]; s == "" {
			t := time.Date(int(d[0]), time.Month(d[1]), int(d[2]), int(d[3]), int(d[4]), int(d[5]), 0, time.UTC)
			if t.Unix() < 0 || t.Unix() > 1<<32-1 {
				return "", errDate
			}
			return t.Format("2006-01-02T15:04:05"), nil
		}
		if i == 5 || s[0] != seps[i] {
			return "", errDate
		}
		s = s[1:]
	}
	return "", errDate
}

var errDate = errors.New("invalid date, should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]")
