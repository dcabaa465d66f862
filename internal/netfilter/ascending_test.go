package netfilter

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeepAscending(t *testing.T) {
	for _, tt := range []struct{ in, want []int }{
		{nil, nil},
		{[]int{-1, 0, -1, 1}, []int{-1, 0, -1, 1}},
		{[]int{2, 0, 1}, []int{-1, 0, 1}},
		{[]int{3, 0, 4, 1, 2}, []int{-1, 0, -1, 1, 2}},
		{[]int{4, 3, 2}, []int{-1, -1, 2}},
	} {
		got := slices.Clone(tt.in)
		KeepAscending(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.in, diff)
		}
	}
}
