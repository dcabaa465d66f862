package packets

import (
	"context"
	"errors"
	"fmt"
)

// ErrTooLarge says that rules tell more kinds of packets apart than the memory
// bound allows to follow. It is wrapped.
var ErrTooLarge = errors.New("too many kinds of packets to follow")

// node is a diagram: an index of the store, or ^leaf.
type node int32

const (
	falseNode node = ^0
	trueNode  node = ^1
	// Leaves from firstLeaf on are entries of the store's leaves.
	firstLeaf = 2
)

func (n node) leaf() bool { return n < 0 }

// store holds the nodes of all diagrams of one comparison. Nodes are shared:
// two diagrams of one function are one number. Nothing is ever freed but all
// at once.
type store struct {
	ctx   context.Context
	nodes []branch
	table []int32 // of nodes by hash, -1 free
	cache []cached
	limit int // of nodes
	steps int
	// visited are the walks that met a node last.
	visited []uint32
	walks   uint32
}

// branch asks for the bit of a level.
type branch struct {
	level  int32
	lo, hi node
}

type cached struct {
	op      int32
	a, b, c node
	result  node
}

const leafLevel = int32(1<<31 - 1)

// stopped is what the store panics with when the time or the memory is spent;
// guard turns it into an error.
type stopped struct{ err error }

func newStore(ctx context.Context, limit int) *store {
	s := &store{ctx: ctx, limit: limit, table: make([]int32, 1<<12), cache: make([]cached, 1<<12)}
	for i := range s.table {
		s.table[i] = -1
	}
	return s
}

// guard runs fn and returns why it stopped early.
func guard(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(stopped)
			if !ok {
				panic(r)
			}
			err = s.err
		}
	}()
	fn()
	return nil
}

func hash3(a, b, c uint32) uint32 {
	h := a*0x9e3779b1 ^ b*0x85ebca6b ^ c*0xc2b2ae35
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 13
	return h
}

// level returns the level that a diagram asks for first.
func (s *store) level(n node) int32 {
	if n < 0 {
		return leafLevel
	}
	return s.nodes[n].level
}

// cofactors returns what is left of n when the bit of a level is known.
func (s *store) cofactors(n node, level int32) (lo, hi node) {
	if n >= 0 {
		if b := &s.nodes[n]; b.level == level {
			return b.lo, b.hi
		}
	}
	return n, n
}

// make returns the diagram that asks for a level and goes on with lo or hi.
func (s *store) make(level int32, lo, hi node) node {
	if lo == hi {
		return lo
	}
	mask := uint32(len(s.table) - 1)
	at := hash3(uint32(level), uint32(lo), uint32(hi)) & mask
	for s.table[at] >= 0 {
		if b := &s.nodes[s.table[at]]; b.level == level && b.lo == lo && b.hi == hi {
			return node(s.table[at])
		}
		at = (at + 1) & mask
	}
	if len(s.nodes) >= s.limit {
		panic(stopped{fmt.Errorf("%w: %d nodes of a decision diagram", ErrTooLarge, s.limit)})
	}
	n := int32(len(s.nodes))
	s.nodes = append(s.nodes, branch{level, lo, hi})
	s.table[at] = n
	if len(s.nodes)*2 > len(s.table) {
		s.grow()
	}
	return node(n)
}

func (s *store) grow() {
	s.table = make([]int32, 2*len(s.table))
	for i := range s.table {
		s.table[i] = -1
	}
	mask := uint32(len(s.table) - 1)
	for i := range s.nodes {
		b := &s.nodes[i]
		at := hash3(uint32(b.level), uint32(b.lo), uint32(b.hi)) & mask
		for s.table[at] >= 0 {
			at = (at + 1) & mask
		}
		s.table[at] = int32(i)
	}
	if len(s.cache) < len(s.table)/2 && len(s.cache) < 1<<21 {
		// What was computed so far is lost, which costs time and nothing else.
		s.cache = make([]cached, len(s.table)/2)
	}
}

// walk returns what says whether a walk meets a node for the first time.
func (s *store) walk() func(node) bool {
	s.walks++
	if len(s.visited) < len(s.nodes) {
		s.visited = append(s.visited, make([]uint32, len(s.nodes)-len(s.visited))...)
	}
	visited, now := s.visited, s.walks
	return func(n node) bool {
		first := visited[n] != now
		visited[n] = now
		return first
	}
}

// larger says whether a diagram has more than so many nodes.
func (s *store) larger(n node, size int) bool {
	seen := s.walk()
	stack := []node{n}
	for len(stack) > 0 && size >= 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !n.leaf() && seen(n) {
			size--
			stack = append(stack, s.nodes[n].lo, s.nodes[n].hi)
		}
	}
	return size < 0
}

// support returns the levels that a diagram asks for.
func (s *store) support(n node) map[int32]bool {
	out, seen := map[int32]bool{}, s.walk()
	for stack := []node{n}; len(stack) > 0; {
		n := stack[len(stack)-1]
		if stack = stack[:len(stack)-1]; !n.leaf() && seen(n) {
			b := &s.nodes[n]
			out[b.level] = true
			stack = append(stack, b.lo, b.hi)
		}
	}
	return out
}

// tick ends the work when the context does.
func (s *store) tick() {
	if s.steps++; s.steps&0xffff == 0 {
		s.check()
	}
}

func (s *store) check() {
	if err := s.ctx.Err(); err != nil {
		panic(stopped{err})
	}
}

func (s *store) slot(op int32, a, b, c node) *cached {
	h := hash3(uint32(op)*31+uint32(a), uint32(b), uint32(c))
	return &s.cache[h&uint32(len(s.cache)-1)]
}

func (s *store) lookup(op int32, a, b, c node) (node, bool) {
	s.tick()
	if e := s.slot(op, a, b, c); e.op == op && e.a == a && e.b == b && e.c == c {
		return e.result, true
	}
	return 0, false
}

func (s *store) remember(op int32, a, b, c, result node) node {
	*s.slot(op, a, b, c) = cached{op, a, b, c, result}
	return result
}
