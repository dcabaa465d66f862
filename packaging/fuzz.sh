#!/bin/bash
# fuzz.sh TIME [PACKAGE…]: fuzzes every target of the packages (all of them by
# default) for TIME each, one after the other, and prints a line each: package,
# target, executions, time. Inputs that fail are in PACKAGE/testdata/fuzz.
set -euo pipefail
time=$1
shift
failed=0
for package in $(go list "${@:-./...}"); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || :); do
		if ! out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" \
			-fuzzminimizetime 1x -parallel "${FUZZ_PARALLEL:-1}" "$package" 2>&1); then
			failed=1
			printf '%s\n' "$out"
		fi
		# The last progress line: "fuzz: elapsed: 1m0s, execs: 123 (…)".
		last=$(grep -o 'elapsed: [^,]*, execs: [0-9]*' <<<"$out" | tail -n 1)
		printf '%s\t%s\t%s\t%s\n' "${package#*/*/*/}" "$target" "${last##* }" "$(cut -d' ' -f2 <<<"${last%,*}")"
	done
done
exit $failed
