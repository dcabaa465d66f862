package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/fwc-dev/fwc/artifact"
)

// readFile reads a file that is no larger than an artifact may be.
func readFile(path string) ([]byte, error) {
	data, err := artifact.ReadFile(path)
	return data, bare(err)
}

// bare turns "open x: no such file or directory" into "x: no such file or
// directory": the user does not care which system call it was.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// looksLikeArtifact says whether data starts as a ustar archive does.
func looksLikeArtifact(data []byte) bool {
	return len(data) >= 262 && bytes.Equal(data[257:262], []byte("ustar"))
}

// errNoArtifact says of a file what a complaint about its first bytes would
// not: that it is something else altogether.
var errNoArtifact = &artifact.Error{Kind: artifact.ErrContainer, Msg: "it is another kind of file"}

// inspect reads an artifact without asking who signed it.
func inspect(path string) (*artifact.Artifact, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if !looksLikeArtifact(data) {
		return nil, fmt.Errorf("%s: %w", path, errNoArtifact)
	}
	a, _, err := artifact.Inspect(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}
