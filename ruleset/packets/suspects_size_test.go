package packets

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// services are rules as kube-proxy makes them: a chain for each service, which
// leads to those of its three endpoints by chance, and a mark for what is to be
// masqueraded. One endpoint of each of the first few has moved.
func services(n, moved int) string {
	chains := ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:services - [0:0]\n:ports - [0:0]\n:mark - [0:0]\n"
	rules := "-A PREROUTING -j services\n-A OUTPUT -j services\n-A mark -j MARK --set-xmark 0x4000/0x4000\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n"
	for i := range n {
		chains += fmt.Sprintf(":svc%d - [0:0]\n", i)
		rules += fmt.Sprintf("-A services -d 10.96.%d.%d/32 -p tcp -m tcp --dport 443 -j svc%d\n-A ports -p tcp -m tcp --dport %d -j svc%[3]d\n", i/250, 1+i%250, i, 30000+i)
		for k, chance := range []string{"-m statistic --mode random --probability 0.33333333349 ", "-m statistic --mode random --probability 0.50000000000 ", ""} {
			pod := fmt.Sprintf("10.244.%d.%d", (3*i+k)/250, 1+(3*i+k)%250)
			if i < moved && k == 1 {
				pod = fmt.Sprintf("10.245.0.%d", 1+i)
			}
			chains += fmt.Sprintf(":ep%d.%d - [0:0]\n", i, k)
			rules += fmt.Sprintf("-A svc%[1]d %[3]s-j ep%[1]d.%[2]d\n-A ep%[1]d.%[2]d -s %[4]s/32 -j mark\n-A ep%[1]d.%[2]d -p tcp -m tcp -j DNAT --to-destination %[4]s:8443\n", i, k, chance, pod)
		}
	}
	return "*nat\n" + chains + rules + "-A services -m addrtype --dst-type LOCAL -j ports\nCOMMIT\n" + filter("-A FORWARD -m conntrack --ctstate INVALID -j DROP", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT")
}

// shared are rules of which many lead to one chain, the first few rules of which
// drop instead.
func shared(leading, size, dropping int) string {
	rules := []string{":shared - [0:0]"}
	for i := range leading {
		rules = append(rules, fmt.Sprintf("-A FORWARD -s 10.%d.%d.0/24 -d 172.16.%d.%d/32 -j shared", i*37%256, i*11%256, i/100, i*13%256))
	}
	for i := range size {
		rules = append(rules, fmt.Sprintf("-A shared -p tcp -m tcp --dport %d -j ACCEPT", 1000+7*i))
		if i < dropping {
			rules[len(rules)-1] = strings.Replace(rules[len(rules)-1], "ACCEPT", "DROP", 1)
		}
	}
	return filter(rules...)
}

// TestSuspectsStaySmall holds what a small change costs to a share of the bound
// of memory.
func TestSuspectsStaySmall(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		nodes    int
	}{
		{"one endpoint of many services", services(300, 0), services(300, 1), 400_000},
		{"a chain that many rules lead to", shared(1000, 200, 0), shared(1000, 200, 100), 1_500_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old), snapshot(t, ruleset.IPTables, tt.new), Options{MaxNodes: tt.nodes})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Regions) == 0 {
				t.Error("no region")
			}
		})
	}
}
