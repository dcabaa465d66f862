//go:build !host

package cli

import (
	"fmt"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/verify"
	"github.com/urfave/cli/v2"
)

// inspectTrusted reads an artifact that is to be signed: any, or with --trust
// only one that a key there has signed.
func inspectTrusted(c *cli.Context, path string) (*artifact.Artifact, error) {
	if !c.IsSet("trust") {
		return inspect(path)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	trust, err := verify.LoadTrust(c.String("trust"))
	if err != nil {
		return nil, err
	}
	var keys []artifact.PublicKey
	for _, k := range trust.Keys {
		keys = append(keys, k.Public)
	}
	a, err := artifact.Open(data, keys, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}
