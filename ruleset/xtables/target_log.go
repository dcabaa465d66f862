package xtables

import "fmt"

// syslog levels, each with its other names. iptables prints the number.
var logLevels = []string{"0 emerg panic", "1 alert", "2 crit", "3 error", "4 warning", "5 notice", "6 info", "7 debug"}

// logTargets are the targets that tell somebody about a packet.
var logTargets = []extension{
	{name: "LOG", options: []option{
		{name: "log-prefix", value: prefix(29), quoting: AsNeeded},
		{name: "log-level", value: logLevel, omit: "4"},
		{name: "log-tcp-sequence", args: none},
		{name: "log-tcp-options", args: none},
		{name: "log-ip-options", args: none},
		{name: "log-uid", args: none},
		{name: "log-macdecode", args: none},
	}},
	{name: "NFLOG", options: []option{
		{name: "nflog-prefix", value: prefix(63), quoting: AsNeeded},
		{name: "nflog-group", value: number(0, 65535), omit: "0"},
		{name: "nflog-size", value: number(0, all32)},
		{name: "nflog-range", value: number(0, all32), omit: "0"},
		{name: "nflog-threshold", value: number(0, 65535), omit: "0"},
	}},
	{name: "AUDIT", options: []option{{name: "type", value: choice(sameName, "accept", "drop", "reject"), must: true}}},
	{name: "LED", options: []option{
		{name: "led-trigger-id", value: atMost(17), must: true, quoting: Always},
		{name: "led-delay", value: ledDelay, omit: "0"},
		{name: "led-always-blink", args: none},
	}},
	{name: "IDLETIMER", options: []option{
		{name: "timeout", value: number(0, all32), must: true},
		{name: "label", value: text(27), must: true},
		{name: "alarm", args: none},
	}},
	{name: "RATEEST", options: []option{
		{name: "rateest-name", value: text(15), must: true},
		{name: "rateest-interval", value: estimatorTime, must: true},
		{name: "rateest-ewmalog", value: estimatorTime, must: true},
	}, finish: estimator},
	{name: "TRACE"},
}

// logLevel is a value: a level by number or name, printed as a number.
func logLevel(e *env, s string) (string, error) {
	if n, ok := parseUint(s, 7); ok {
		return string('0' + byte(n)), nil
	}
	return oneOf(logLevels...)(e, s)
}

// ledDelay is a value: milliseconds or inf.
func ledDelay(e *env, s string) (string, error) {
	if sameName("inf", s) {
		return "inf", nil
	}
	return number(0, 1<<31-1)(e, s)
}

// prefix is a value: a text that is not empty, of which the kernel keeps up
// to size bytes.
func prefix(size int) value {
	return func(e *env, s string) (string, error) {
		if s == "" {
			return "", fmt.Errorf("argument must have a minimum length of 1 characters")
		}
		return text(size)(e, s)
	}
}

// dropEmpty drops an option whose value is empty.
func dropEmpty(name string) func(*env, *Module) error {
	return func(_ *env, m *Module) error {
		for i, o := range m.Options {
			if o.Name == name && o.Value() == "" {
				m.Options = append(m.Options[:i:i], m.Options[i+1:]...)
				break
			}
		}
		return nil
	}
}

// ulogOptions are those of a target that left the kernel with 3.17. Old
// dumps hold it.
var ulogOptions = []option{
	{name: "ulog-prefix", value: prefix(31), quoting: AsNeeded},
	{name: "ulog-nlgroup", value: number(1, 32), omit: "1"},
	{name: "ulog-cprange", value: number(0, all32), omit: "0"},
	{name: "ulog-qthreshold", value: number(1, 50), omit: "1"},
}
