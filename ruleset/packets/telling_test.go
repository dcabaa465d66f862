package packets

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
	"github.com/google/go-cmp/cmp"
)

func TestTelling(t *testing.T) {
	closed := func(rules ...string) string {
		return filter(append([]string{":INPUT DROP [0:0]", ":FORWARD DROP [0:0]"}, rules...)...)
	}
	established := "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
	source := func(target string) string {
		return "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.1.0/24 -o eth0 -j " + target + "\nCOMMIT\n" +
			closed("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i eth1 -o eth0 -j ACCEPT")
	}
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"all but a few", filter(established, "-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT"), filter(":INPUT DROP [0:0]", established, "-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT"),
			[]string{"any  any → any  new  except tcp any → any:22,80"}},
		{"all but two", filter("-A INPUT -p tcp -m tcp --dport 113 -j DROP", "-A INPUT -p udp -m udp --dport 137:139 -j DROP", "-A INPUT -s 10.0.0.0/8 -j DROP"),
			filter("-A INPUT -p tcp -m tcp --dport 113 -j DROP", "-A INPUT -p udp -m udp --dport 137:139 -j DROP", "-A INPUT -s 10.0.0.0/8 -j REJECT --reject-with icmp-host-prohibited"),
			[]string{"any  10.0.0.0/8 → any  except tcp any → any:113  except udp any → any:137-139"}},
		{"connections of helpers", source("MASQUERADE"), source("SNAT --to-source 203.0.113.5"),
			[]string{"any  192.168.1.0/24 → any  in eth1  out eth0  new  and some RELATED", "any  192.168.1.0/24 → any  out eth0  new  and some RELATED"}},
		{"marks", "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.1.0.0/16 -j MARK --set-xmark 0x2/0xffffffff\nCOMMIT\n" + filter(),
			"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.1.0.0/16 -j MARK --set-xmark 0x2/0xffffffff\nCOMMIT\n" + filter("-A FORWARD -m mark --mark 0x2 -j DROP"),
			[]string{"any  10.1.0.0/16 → any; any  any → any  mark 0x2"}},
		{"a range", closed(), closed("-A INPUT -m iprange --src-range 10.1.1.10-10.1.1.40 -j ACCEPT"), []string{"any  10.1.1.10-10.1.1.40 → any"}},
		{"all but many", closed(), "create many hash:ip\nadd many 10.0.0.1\nadd many 10.0.0.3\nadd many 10.0.0.5\nadd many 10.0.0.7\nadd many 10.0.0.9\n" + closed("-A INPUT -m set ! --match-set many src -j ACCEPT"),
			[]string{"any  not 10.0.0.1,10.0.0.3,10.0.0.5 and 2 more → any"}},
		{"all but a card", closed(), closed("-A INPUT -m mac ! --mac-source 00:11:22:33:44:55 -j ACCEPT"), []string{"any  any → any  in !lo  mac !00:11:22:33:44:55"}},
		{"a ping", closed(), closed("-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT"), []string{"icmp  any → any  type 8 (echo-request)"}},
		{"first packets", closed(), closed("-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT"), []string{"tcp  any → any  --syn"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sets, dump, _ := strings.Cut("\n"+tt.new, "\n*")
			texts := []string{"*" + dump}
			if sets != "" {
				texts = append(texts, strings.TrimPrefix(sets, "\n")+"\n")
			}
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old), snapshot(t, ruleset.IPTables, texts...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range r.Regions {
				got = append(got, r.Regions[i].Words())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExceptIsExact holds a box without what is left out of it to the set that
// it stands for.
func TestExceptIsExact(t *testing.T) {
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	told := 0
	for i := range 100 {
		g := newGenerator(rand.New(rand.NewPCG(seed, uint64(i))), i%2 == 1)
		g.atoms = i%3 == 0
		family, kind := g.family()
		tables := g.ruleset(4)
		old, new := snapshot(t, kind, dumpText(tables)), snapshot(t, kind, dumpText(g.mutate(tables)))
		u, shared := newSharedUniverse(family, old, new), &specs{map[string]*xtables.Spec{}, map[string]*reading{}}
		a, err := load(u, shared, old, family, nil)
		if err != nil {
			t.Fatal(err)
		}
		names := align(old, new)
		b, err := load(u, shared, new, family, names)
		if err != nil {
			t.Fatal(err)
		}
		var opts Options
		opts.defaults()
		d := newDiffer(prepare(context.Background(), opts.MaxNodes, u, a, b), a, b, opts)
		for _, j := range Journeys {
			domain := d.domain(possible(j, u, false, true))
			d.ask(askOutcome, nil, nil)
			for _, g := range d.groups(d.journey(a, j, domain), d.journey(b, j, domain)) {
				whole, left, ok := d.exceptCubes(g.where, domain, i%4 < 2)
				if !ok {
					continue
				}
				told++
				box := d.cubeNode(&whole, fields, -1)
				n := d.and(box, domain)
				for k := range left {
					n = d.less(n, d.cubeNode(&left[k], fields, -1))
				}
				if n != d.and(g.where, domain) {
					t.Fatalf("seed %d round %d: %s %s is another set", seed, i, j, g.key)
				}
			}
		}
	}
	if told < 20 {
		t.Errorf("only %d sets were told so: the test shows little", told)
	}
}

// TestTelltale wants an example that shows what changed: a mark set under
// another mask is the same mark on most packets.
func TestTelltale(t *testing.T) {
	mangle := func(mark string) *ruleset.Snapshot {
		return snapshot(t, ruleset.IPTables, "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark "+mark+"\nCOMMIT\n")
	}
	r, err := Diff(context.Background(), mangle("0x1/0xffffffff"), mangle("0x1/0xff"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Regions) == 0 {
		t.Fatal("no region")
	}
	for _, x := range r.Regions {
		if x.Example.Mark&^0xff == 0 {
			t.Errorf("%s: %s: mark 0x%x shows nothing", x.Journey, x.Words(), x.Example.Mark)
		}
	}
}
