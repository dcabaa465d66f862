//go:build host

package cli

import (
	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/command"
)

var showFormats = []string{"text", "json"}

const showExamples = ""

func showFlags() []command.Flag { return nil }

func showCoverage(*command.Context, Streams, *artifact.Artifact) (bool, error) { return false, nil }
