# make          builds bin/fwc
# make demo     shows build, diff and apply on a throwaway host
# make test     runs everything that lands a change
# make host     builds dist/fwc-host, the static program for hosts
# make fuzz     fuzzes every parser and decoder, FUZZTIME each
# make prove     sends PROVE packets through random rulesets, each as foretold
# make test-generators  builds what FireHOL, Shorewall and others make, all shapes
# make test-managers  applies beside a real Docker and fail2ban, and 200 times
# make test-vm  boots Debian in QEMU: another kernel, systemd, power cuts
# make test-html  opens the HTML report in Chromium, pictures to SCREENSHOTS
# make test-interop  has cosign verify artifacts; builds it, which takes minutes
SHELL := /bin/bash
SUDO  := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E env "PATH=$$PATH")

# Where make host writes to, how long make fuzz fuzzes each target, and how many
# packets make prove sends.
HOST     ?= dist/fwc-host
FUZZTIME ?= 60s
PROVE    ?= 100000

# The packages whose tests are mostly other processes, whose start under the race
# detector takes minutes in all. Of them it watches those tests in which fwc
# itself does several things at a time.
HEAVY := ./apply ./compiler ./cmd/fwc
RACY  := TestGlance|TestGivesUp|TestLargePieces|TestAskFirst|TestMisbehaviour|TestCancel|TestOneGeneration|TestOvertaken|TestTwoAtOnce|TestWriters|TestConfirmKeeps|TestUnconfirmedGoesBack
CORPUS := TestCorpusScripts|TestGenerators

.PHONY: all build host deps generators demo test prove test-generators test-html test-managers test-interop test-vm test-corpus fuzz bench clean
all: build

build: bin/fwc

bin/fwc: $(shell find cmd compiler artifact verify ci lab ruleset apply internal -name '*.go' -o -path 'ci/*' -type f 2>/dev/null) go.mod go.sum
	CGO_ENABLED=0 go build -trimpath -o $@ ./cmd/fwc

# No compiler, lab, network client, cgo: cmd/fwc's tests hold it to that and to
# 7 MiB.
host:
	@mkdir -p $(dir $(HOST))
	CGO_ENABLED=0 go build -trimpath -tags host -ldflags '-s -w' -o $(HOST) ./cmd/fwc

# The firewall tools that the kernel tests and the demo run, and a C compiler
# for the race detector.
deps:
	@packaging/deps.sh

# Programs that make firewalls, unpacked for the tests to run; installed, some
# of them would filter this machine.
generators:
	@packaging/deps.sh generators bin/generators

demo: deps build
	@testdata/demo/demo.sh bin/fwc

test-generators: deps generators
	$(SUDO) go test -count 1 -timeout 30m -v -run '$(CORPUS)' ./compiler -all

test-managers: deps
	@packaging/deps.sh managers bin/managers
	$(SUDO) go test -tags managers -count 1 -timeout 60m -v -run 'TestDockerd|TestFail2ban|TestWriters' ./apply -applies 200

test: deps generators build
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt these files'; exit 1; }
	go vet ./...
	go vet -tags host ./internal/cli ./internal/command
	go vet -tags managers ./apply
	go vet -tags vm ./internal/vmtest
	go tool staticcheck ./...
	shellcheck -x packaging/*.sh packaging/vm/image.sh packaging/vm/guest/usr/local/sbin/* testdata/demo/*.sh ci/github/*.sh .ci/run
	$(SUDO) go test -timeout 20m $(HEAVY)
	$(SUDO) go test -race -timeout 20m -run '$(RACY)' ./apply ./compiler
	$(SUDO) go test -race -timeout 20m -run 'TestScripts$$/(original|confirm|diff)' ./cmd/fwc
	$(SUDO) go test -race -timeout 20m $$(go list ./... | grep -v -E '/(apply|compiler|cmd/fwc)$$')

# Debian's Chromium is 400 MB installed: make test opens the page where it is
# there, this target brings it.
test-html:
	@packaging/deps.sh browser
	go test -count 1 -v -run TestBrowser ./ci -browser $(if $(SCREENSHOTS),-screenshots $(abspath $(SCREENSHOTS)))

# What packet space says of a packet, and what this kernel does with it; and the
# examples of diffs, one for each twenty packets.
prove: deps
	$(SUDO) env FWC_PROVE=$(PROVE) go test -count 1 -timeout 120m -v -run 'TestDiffAgreesWithTrace|TestAgreesWithKernel|TestProveMutations' ./ruleset/packets

# Programs that know nothing of fwc verify artifacts: cosign 3, which is built
# into a directory of the user's caches unless FWC_COSIGN names one, and a shell.
test-interop:
	go test -tags interop -count 1 -timeout 60m -v -run 'TestCosign|TestShellClient' ./artifact

# RELEASE is the guest's: bullseye, bookworm or trixie. Its image is built once,
# into a directory of the user's caches. VMTEST picks tests by a pattern.
RELEASE ?= bookworm
VMTEST  ?= .
test-vm:
	@packaging/deps.sh vm
	$(SUDO) RELEASE=$(RELEASE) go test -tags vm -count 1 -timeout 3h -v -run '$(VMTEST)' ./internal/vmtest

fuzz:
	@packaging/fuzz.sh $(FUZZTIME)

bench: deps
	$(SUDO) go test -run '^$$' -bench . -skip '^BenchmarkBuild$$' -benchmem ./...
	$(SUDO) go test -run '^$$' -bench '^BenchmarkBuild$$' -benchtime 1x -timeout 2h ./compiler

clean:
	rm -rf bin dist
