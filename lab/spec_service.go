package lab

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// services reads none, a list of "PROTO PORT", or a mapping of them to what
// they answer.
func (r *reader) services(h *Host, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for _, p := range r.mapping(n, "services") {
			v := r.service(h, p.key)
			r.answer(v, p.value)
		}
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			h.Closed = true
		}
		for _, item := range r.list(n) {
			if item.Kind == yaml.MappingNode && len(item.Content) == 2 {
				for _, p := range r.mapping(item, "a service") {
					r.answer(r.service(h, p.key), p.value)
				}
				continue
			}
			r.service(h, item)
		}
	default:
		if r.text(n, "services") != "none" {
			r.fail(n, "services are none, or such as {http 80: body, tcp 22: , udp 53: text}")
		}
		h.Closed = true
	}
}

// service reads "PROTO PORT" and adds it to the host, with an answer that is
// the host's name.
func (r *reader) service(h *Host, n *yaml.Node) *Service {
	words := strings.Fields(strings.ReplaceAll(r.text(n, "a service"), "/", " "))
	if len(words) != 2 || !slices.Contains([]string{"tcp", "udp", "http"}, words[0]) {
		r.fail(n, "a service is tcp PORT, udp PORT or http PORT, not %q", n.Value)
	}
	port, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil || port == 0 {
		r.fail(n, "%q is no port", words[1])
	}
	v := Service{Proto: words[0], Port: uint16(port), Answer: h.Name}
	if h.service(v.transport(), v.Port) != nil {
		r.fail(n, "%s has a service on %s %d already", h.Name, v.transport(), v.Port)
	}
	h.Services = append(h.Services, v)
	return &h.Services[len(h.Services)-1]
}

func (r *reader) answer(v *Service, n *yaml.Node) {
	switch {
	case empty(n):
	case n.Kind == yaml.MappingNode:
		for _, q := range r.mapping(n, "a service", serveKeys...) {
			switch q.name {
			case "answer":
				v.Answer = r.text(q.value, "an answer")
			case "echo":
				v.Echo = r.flag(q.value, "echo")
			case "silent":
				v.Silent = r.flag(q.value, "silent")
			}
		}
		if v.Echo && v.Proto == "http" {
			r.fail(n, "an http service does not echo")
		}
	default:
		v.Answer = r.text(n, "an answer")
	}
	if most := map[string]int{"udp": 60000, "tcp": 1 << 20, "http": 1 << 20}[v.Proto]; len(v.Answer) > most {
		r.fail(n, "an answer of %s has %d bytes at most", v.Proto, most)
	}
}

// transport is the protocol that a service listens on.
func (v *Service) transport() string {
	if v.Proto == "http" {
		return "tcp"
	}
	return v.Proto
}

func (h *Host) service(transport string, port uint16) *Service {
	for i := range h.Services {
		if v := &h.Services[i]; v.transport() == transport && v.Port == port {
			return v
		}
	}
	return nil
}
