package lab

import (
	"context"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	for range 3 {
		s := time.Now()
		r, err := NewRouter(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		a := time.Since(s)
		s = time.Now()
		_ = r.AddWires("a0")
		b := time.Since(s)
		s = time.Now()
		_ = r.AddWires("a1", "b0", "b10")
		c := time.Since(s)
		s = time.Now()
		r.Close()
		t.Log(a, b, c, time.Since(s))
	}
}
