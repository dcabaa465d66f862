# make          builds bin/fwc
# make demo     shows build, diff and apply on a throwaway host
# make test     runs everything that lands a change
SHELL := /bin/bash
SUDO  := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E env "PATH=$$PATH")

.PHONY: all build deps demo test test-corpus bench clean
all: build

build: bin/fwc

bin/fwc: $(shell find cmd compiler artifact verify ci ruleset apply internal -name '*.go' 2>/dev/null) go.mod go.sum
	CGO_ENABLED=0 go build -trimpath -o $@ ./cmd/fwc

# The firewall tools that the kernel tests and the demo run, and a C compiler
# for the race detector.
deps:
	@packaging/deps.sh

demo: deps build
	@testdata/demo/demo.sh bin/fwc

test: deps build
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt these files'; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	shellcheck packaging/*.sh testdata/demo/*.sh .ci/run
	$(SUDO) go test -race -timeout 12m ./...

bench: deps
	$(SUDO) go test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin dist
