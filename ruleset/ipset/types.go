package ipset

// part is one dimension of a set's elements.
type part int

const (
	partIP     part = iota // address, IPv4 also a range or network of addresses
	partHost               // one address
	partNet                // network, IPv4 also a range of addresses
	partPort               // [PROTO:]PORT[-PORT]
	partPlain              // PORT[-PORT], of a bitmap:port
	partMAC                // link-layer address
	partMark               // 32-bit mark
	partDevice             // [physdev:]NAME
	partSet                // name of another set
)

// setType is what ipset 7.17's library knows of a type, at its newest
// revision: lib/ipset_*.c.
type setType struct {
	name  string
	alias string // the word of ipset 4
	parts []part
	// create are the options in the order of ipset save.
	create []string
	// nomatch says that elements may be exceptions.
	nomatch bool
}

func hashOptions(before, after []string) []string {
	var o []string
	o = append(o, "family")
	o = append(o, before...)
	o = append(o, "hashsize", "maxelem")
	o = append(o, after...)
	return append(o, "timeout", "counters", "comment", "forceadd", "skbinfo", "bucketsize")
}

var bitmapTail = []string{"timeout", "counters", "comment", "skbinfo"}

var types = []*setType{
	{name: "bitmap:ip", alias: "ipmap", parts: []part{partIP}, create: append([]string{"range", "netmask"}, bitmapTail...)},
	{name: "bitmap:ip,mac", alias: "macipmap", parts: []part{partHost, partMAC}, create: append([]string{"range"}, bitmapTail...)},
	{name: "bitmap:port", alias: "portmap", parts: []part{partPlain}, create: append([]string{"range"}, bitmapTail...)},
	{name: "hash:ip", alias: "iphash", parts: []part{partIP}, create: hashOptions(nil, []string{"netmask", "bitmask"})},
	{name: "hash:ip,mac", alias: "ipmachash", parts: []part{partIP, partMAC}, create: hashOptions(nil, nil)},
	{name: "hash:ip,mark", alias: "ipmarkhash", parts: []part{partIP, partMark}, create: hashOptions([]string{"markmask"}, nil)},
	{name: "hash:ip,port", alias: "ipporthash", parts: []part{partIP, partPort}, create: append(hashOptions(nil, nil), "netmask", "bitmask")},
	{name: "hash:ip,port,ip", alias: "ipportiphash", parts: []part{partIP, partPort, partHost}, create: hashOptions(nil, nil)},
	{name: "hash:ip,port,net", alias: "ipportnethash", parts: []part{partIP, partPort, partNet}, create: hashOptions(nil, nil), nomatch: true},
	{name: "hash:mac", alias: "machash", parts: []part{partMAC}, create: hashOptions(nil, nil)[1:]},
	{name: "hash:net", alias: "nethash", parts: []part{partNet}, create: hashOptions(nil, nil), nomatch: true},
	{name: "hash:net,iface", alias: "netifacehash", parts: []part{partNet, partDevice}, create: hashOptions(nil, nil), nomatch: true},
	{name: "hash:net,net", alias: "netnethash", parts: []part{partNet, partNet}, create: append(hashOptions(nil, nil), "bitmask", "netmask"), nomatch: true},
	{name: "hash:net,port", alias: "netporthash", parts: []part{partNet, partPort}, create: hashOptions(nil, nil), nomatch: true},
	{name: "hash:net,port,net", alias: "netportnethash", parts: []part{partNet, partPort, partNet}, create: hashOptions(nil, nil), nomatch: true},
	{name: "list:set", alias: "setlist", parts: []part{partSet}, create: append([]string{"size"}, bitmapTail...)},
}

// typeOf finds a type by its name or by its old name.
func typeOf(name string) *setType {
	for _, t := range types {
		if t.name == name || t.alias == name {
			return t
		}
	}
	return nil
}

// hash says whether the type has a hash size to speak of.
func (t *setType) hash() bool { return t.name[:5] == "hash:" }

func (t *setType) bitmap() bool { return t.name[:7] == "bitmap:" }

// addOptions are the options of an element in the order of ipset save;
// nomatch stands after timeout where the type has it.
var addOptions = []string{"timeout", "nomatch", "wildcard", "comment", "skbmark", "skbprio", "skbqueue"}

// old names the options that ipset still reads and ignores.
var ignored = map[string]bool{"probes": true, "resize": true, "gc": true}
