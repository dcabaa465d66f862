package ci

import "strings"

// span is a part of a text, and whether the other text has it not.
type span struct {
	text    string
	differs bool
}

// mostWordPairs bounds the comparison of two rules word by word.
const mostWordPairs = 200 * 200

// wordDiff cuts two texts into what they share, in order, and what they do
// not, by whole words. Of texts without a word in common the second is false:
// to mark all of both says nothing.
func wordDiff(old, new string) (a, b []span, ok bool) {
	x, y := splitWords(old), splitWords(new)
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	keepX, keepY := make([]bool, len(x)), make([]bool, len(y))
	for i := range head {
		keepX[i], keepY[i] = true, true
	}
	for i := 1; i <= tail; i++ {
		keepX[len(x)-i], keepY[len(y)-i] = true, true
	}
	shared := head+tail > 0
	if m, n := len(x)-head-tail, len(y)-head-tail; m*n <= mostWordPairs {
		shared = common(x[head:head+m], y[head:head+n], keepX[head:], keepY[head:]) || shared
	}
	if !shared {
		return []span{{text: old}}, []span{{text: new}}, false
	}
	return spans(x, keepX), spans(y, keepY), true
}

// splitWords cuts behind each space.
func splitWords(s string) []string {
	words := strings.SplitAfter(s, " ")
	if n := len(words); words[n-1] != "" { // the last word is the same with more behind it
		words[n-1] += " "
	} else {
		words = words[:n-1]
	}
	return words
}

// common marks a longest common subsequence.
func common(x, y []string, keepX, keepY []bool) bool {
	table := make([][]uint16, len(x)+1)
	for i := range table {
		table[i] = make([]uint16, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] == y[j]:
			keepX[i], keepY[j] = true, true
			i, j = i+1, j+1
		case table[i+1][j] >= table[i][j+1]:
			i++
		default:
			j++
		}
	}
	return table[0][0] > 0
}

// spans joins words of one kind; the space behind the last word of a text is
// not its own.
func spans(words []string, keep []bool) (out []span) {
	for i, w := range words {
		if i == len(words)-1 {
			w = strings.TrimSuffix(w, " ")
		}
		if n := len(out); n > 0 && out[n-1].differs == !keep[i] {
			out[n-1].text += w
			continue
		}
		out = append(out, span{w, !keep[i]})
	}
	// A mark ends where its last word does.
	for i := 0; i+1 < len(out); i++ {
		if out[i].differs && strings.HasSuffix(out[i].text, " ") {
			out[i].text = strings.TrimSuffix(out[i].text, " ")
			out[i+1].text = " " + out[i+1].text
		}
	}
	return out
}
