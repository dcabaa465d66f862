package compiler

import (
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
)

func TestMain(m *testing.M) {
	netns.Main()
	m.Run()
}
