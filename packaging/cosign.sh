#!/bin/sh
# Prints the path of a cosign 3: FWC_COSIGN, or one built from the Go module
# proxy into the user's caches, once a version.
set -eu
if [ -n "${FWC_COSIGN:-}" ]; then
	echo "$FWC_COSIGN"
	exit
fi
version=v3.1.3
dir=${XDG_CACHE_HOME:-$HOME/.cache}/fwc/cosign-$version
if [ ! -x "$dir/cosign" ]; then
	echo "building cosign $version, which takes minutes" >&2
	mkdir -p "$dir"
	cd / # outside any module: its dependencies are not ours
	GOBIN=$dir GOFLAGS=-mod=mod CGO_ENABLED=0 go install "github.com/sigstore/cosign/v3/cmd/cosign@$version" >&2
fi
echo "$dir/cosign"
