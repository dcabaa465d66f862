package apply

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// dockerForms are the rules that Docker puts into the kernel's chains beside
// the jumps to its own: by release and options. See the sources at managers,
// and setupIPTablesInternal in drivers/bridge/setup_ip_tables_linux.go for
// those of before release 28.
var dockerForms = map[string][]form{
	"filter FORWARD": {
		"-o <bridge> -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"-i <bridge> ! -o <bridge> -j ACCEPT",
		"-i <bridge> -o <bridge> -j ACCEPT",
		"-i <bridge> -o <bridge> -j DROP",
		"-i <bridge> -j ACCEPT",
		"-m set --match-set <set> dst -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
	},
	"nat POSTROUTING": {
		"-s <net> ! -o <bridge> -j MASQUERADE",
		"-s <net> ! -o <bridge> -j SNAT --to-source <address>",
		"-o <bridge> -m addrtype --src-type LOCAL -j MASQUERADE",
		"-o <bridge> -m addrtype --src-type LOCAL -j SNAT --to-source <address>",
		"-s <container> -d <container> -p <protocol> -m <protocol> --dport <port> -j MASQUERADE",
	},
	"raw PREROUTING": {
		"-d <container> ! -i <bridge> -j DROP",
		"-d <container> ! -i <bridge> -p <protocol> -m <protocol> --dport <port> -j DROP",
		"-d <address> ! -i lo -p <protocol> -m <protocol> --dport <port> -j DROP",
		"-d <address> -i loopback0 -p <protocol> -m <protocol> --dport <port> -j ACCEPT",
	},
}

// dockerBridge are the names that Docker gives its bridges.
var dockerBridge = regexp.MustCompile(`^(docker0|docker_gwbridge|br-[0-9a-f]{12})$`)

// dockerRule recognises Docker's rules: of one of the forms, while Docker's
// own chains are there, for a bridge that is Docker's by its name or because
// those chains name it, or for a container that they send packets to.
func dockerRule(docker *manager, w *witness, table, hook, text string) bool {
	for _, s := range dockerForms[table+" "+hook] {
		b := s.match(text)
		if b == nil || !w.has("", Keep{"DOCKER"}) {
			continue
		}
		bridge, set, container := b["<bridge>"], b["<set>"], b["<container>"]
		if bridge != "" && !dockerBridge.MatchString(bridge) && !w.named(bridge, docker.chains) ||
			set != "" && docker.sets.match(set) == "" ||
			container != "" && bridge == "" && !w.published(container, b["<port>"]) {
			continue
		}
		return true
	}
	return false
}

// named says whether such chains name an interface.
func (w *witness) named(iface string, names Keep) (found bool) {
	w.chains("", names, func(c *ruleset.Chain) bool {
		found = slices.ContainsFunc(c.Rules, func(r ruleset.Rule) bool {
			return slices.Contains(option(r.Text, "-i", "-o"), iface)
		})
		return !found
	})
	return found
}

// published says whether Docker's own chains publish a port of a container.
func (w *witness) published(container, port string) (found bool) {
	address, _, _ := strings.Cut(container, "/")
	to := address + ":" + port
	if strings.Contains(address, ":") {
		to = "[" + address + "]:" + port
	}
	w.chains("nat", Keep{"DOCKER"}, func(c *ruleset.Chain) bool {
		found = slices.ContainsFunc(c.Rules, func(r ruleset.Rule) bool {
			return slices.Contains(option(r.Text, "--to-destination"), to)
		})
		return !found
	})
	return found
}

// caliComment is the comment that Calico marks its rules with: see
// felix/iptables/rules.go and RuleHashPrefix in felix/rules/rule_defs.go.
var caliComment = regexp.MustCompile(`^cali:[A-Za-z0-9_-]{16}$`)

// kubernetesRule recognises the rules that Calico and flannel put into the
// kernel's chains and that jump to none of theirs. They carry a comment, which
// counts where the program has chains beside it.
func kubernetesRule(_ *manager, w *witness, table, hook, text string) bool {
	comments := commentsOf(text)
	switch {
	case slices.ContainsFunc(comments, caliComment.MatchString):
		return w.has(table, Keep{"cali-" + hook})
	case slices.Contains(comments, "flanneld masq"):
		return table == "nat" && hook == "POSTROUTING" && w.has(table, Keep{"KUBE-*"})
	case slices.Contains(comments, "flanneld forward"):
		return table == "filter" && hook == "FORWARD" && w.has(table, Keep{"KUBE-*"})
	}
	return false
}

// generatedFor returns what recognises the rules of LXD, and of Incus, which
// was LXD: each carries a comment that names the network, and outside nat is
// for the interface of that name.
func generatedFor(program string) func(m *manager, w *witness, table, hook, text string) bool {
	comment := regexp.MustCompile("^generated for " + program + ` network(-forward)? (\S+)$`)
	return func(_ *manager, _ *witness, table, _, text string) bool {
		return slices.ContainsFunc(commentsOf(text), func(c string) bool {
			m := comment.FindStringSubmatch(c)
			return m != nil && (table == "nat" || slices.Contains(option(text, "-i", "-o"), m[2]))
		})
	}
}

// fail2banRule recognises the rules of the action iptables-ipset: they refuse
// the members of one of its sets.
func fail2banRule(fail2ban *manager, _ *witness, _, _, text string) bool {
	t := target(text)
	return (t == "DROP" || t == "REJECT") &&
		slices.ContainsFunc(setsOf(text), func(s string) bool { return fail2ban.sets.match(s) != "" })
}
