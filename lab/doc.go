// Package lab is a virtual network: a router that is a network namespace of
// its own with a snapshot loaded by this host's tools, and real packets.
//
// A Router has wires: interfaces of the names that the rules ask for. What is
// sent into a wire comes to the rules as it does from a network card, and a
// table of the package's own, first and last at every hook, tells through
// nfnetlink_log what got through, translated to what, marked with what, and
// what the rules answered. Nothing is waited for by the clock: a frame that no
// rule sees follows each packet, and when it has arrived, so has the packet.
//
// Everything here needs the capabilities of root in the user namespace that it
// runs in. Call gives them to ordinary users: it runs a registered function in
// a stage, a process in namespaces of its own, with which all of it goes.
package lab
