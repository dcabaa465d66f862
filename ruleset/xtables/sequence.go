package xtables

import "slices"

// sequence is a list of rules that takes insertions anywhere without moving
// all that follows: a list of short lists.
type sequence struct {
	chunks [][]entry
	length int
}

// entry is a rule of a chain under construction.
type entry struct {
	text string
	raw  string
	line int
	jump string // the user's chain that it goes to, if any
}

const chunkSize = 512

func (s *sequence) append(e entry) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1]) >= chunkSize {
		s.chunks = append(s.chunks, make([]entry, 0, min(chunkSize, max(4, s.length))))
		n++
	}
	s.chunks[n-1] = append(s.chunks[n-1], e)
	s.length++
}

// locate returns the chunk and the index in it of position i, where i may be
// the length.
func (s *sequence) locate(i int) (chunk, index int) {
	for c := range s.chunks {
		if i < len(s.chunks[c]) {
			return c, i
		}
		i -= len(s.chunks[c])
	}
	return len(s.chunks), 0
}

func (s *sequence) insert(i int, e entry) {
	c, k := s.locate(i)
	if c == len(s.chunks) {
		s.append(e)
		return
	}
	if len(s.chunks[c]) >= chunkSize {
		half := chunkSize / 2
		s.chunks = slices.Insert(s.chunks, c+1, slices.Clone(s.chunks[c][half:]))
		s.chunks[c] = s.chunks[c][:half]
		if k > half {
			c, k = c+1, k-half
		}
	}
	s.chunks[c] = slices.Insert(s.chunks[c], k, e)
	s.length++
}

func (s *sequence) remove(i int) {
	c, k := s.locate(i)
	s.chunks[c] = slices.Delete(s.chunks[c], k, k+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
	s.length--
}

func (s *sequence) at(i int) *entry {
	c, k := s.locate(i)
	return &s.chunks[c][k]
}

// find returns the position of the first rule with that text, or -1.
func (s *sequence) find(text string) int {
	base := 0
	for _, chunk := range s.chunks {
		for k := range chunk {
			if chunk[k].text == text {
				return base + k
			}
		}
		base += len(chunk)
	}
	return -1
}
