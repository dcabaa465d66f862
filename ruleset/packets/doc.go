// Package packets is the packet space of a snapshot: which packets each
// journey accepts, drops, rejects and translates, and where two snapshots
// treat a packet differently.
//
// # What is exact
//
// A journey is a packet's way through the hooks and tables of one family:
// input, forward or output. Addresses, ports, protocol, interfaces, ICMP types,
// TCP flags, connection state, marks and the members of ipsets are exact, and
// so is what targets change on the way: marks, destinations, connection
// tracking. Everything else is an atom: a named unknown that is equal on both
// sides where its text is. A difference that depends on one is told with it as
// a condition. What a set holds that is filled at run time is such an unknown,
// beside its members: one that has none, and one that the target SET is given.
//
// Where both backends hold tables, a packet passes both. At one priority the
// legacy tables come first, which is the order when the nft ones were there
// before (nf_hook_entries_grow of net/netfilter/core.c puts a hook before its
// equals). Bridge, arp and native nftables tables are not part of the space:
// their changes are structural only.
//
// Nothing is claimed about packets that cannot be: a TCP segment of flags that
// connection tracking takes for invalid is never NEW (tcp_valid_flags and
// tcp_conntracks of net/netfilter/nf_conntrack_proto_tcp.c), nor an ICMP error
// (nf_conntrack_proto_icmp.c). Packets of established connections are taken
// with the addresses that their packets have after translation.
//
// # Representation
//
// Functions of packets are decision diagrams with shared nodes, whose leaves
// say what becomes of the packet and what it carries on. The values that the
// rules of both snapshots tell apart cut each field into classes, and the
// diagram branches on the bits of a class's number: with 5,000 rules an address
// has 14 bits, in IPv6 as in IPv4. A chain is the sequence of its rules, put
// together in halves, and a diagram as well.
//
// A comparison looks at the packets of each changed rule on their own: they are
// followed back through the marks and translations before it to what they are
// when they come in, and on through both snapshots, where few rules are near
// them. Together they would be a diagram that holds, for each destination of any
// changed rule, a copy of what packets to it can meet; apart they are small, and
// the memory of one is that of the next.
//
// The choice was measured. A kept library of binary decision diagrams
// (github.com/dalzilio/rudd) over the 104 bits of the header takes 0.9 s and
// 165 MB for the verdicts of 5,000 random rules, and 6 s and 500 MB for 20,000;
// it has no leaves beside true and false, which marks and translations on the
// way need, and for IPv6 three times the bits. Here the difference of two
// rulesets that differ in 1 % of their rules takes of one processor, and of
// memory with all that parsing them took (BenchmarkDiff):
//
//	rules                   100    1,000  5,000  20,000  100,000 (20 changed)  100,000
//	seconds                 0.003  0.03   0.3    4.7     5.3                   130
//	MB                      14     27     61     245     940                   1,700
//	beside NAT and marks    0.007  0.08   0.8    8.4
//
// A change that touches all packets, such as a policy, follows all rules: 2 s
// and 275 MB at 5,000. Which rule decides is asked for apart from what becomes
// of a packet, and neighbours that do the same count as one until the regions
// are known: a leaf for each of 5,000 rules is a copy each of all that is asked
// below it. Where the bound of memory is reached there is no answer, but
// ErrTooLarge.
//
// # What it is held to
//
// TestAgreesWithKernel sends packets through random rulesets on real kernels
// and finds each to fare as foretold; TestDiffAgreesWithTrace holds the diagrams
// to a walk rule by rule. What is left out: a packet that OUTPUT translates or
// marks may be routed anew, and is taken to leave by the interface it was
// routed to first; a counting match that a packet meets twice, in a chain that
// two rules lead to, is one unknown; a packet that comes in by lo was tracked
// when it was sent, which NOTRACK in PREROUTING does not undo. A mark that a shift
// of CONNMARK, HMARK or SET --map-mark makes is told as a remark, and each rule's
// test of it is an unknown; so is that of one that CONNMARK gives a template. Of a
// mark that is made so and then set in part it may say of some of its bits that
// nobody knows them.
package packets
