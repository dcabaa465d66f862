#!/bin/bash
# fwc's main job from end to end: two versions of a router's script become two
# signed artifacts, a reviewer sees what changed, and a throwaway host takes one
# after the other over and goes back. The machine's own firewall is not touched.
#
#   demo.sh [FWC]          as root or as an ordinary user
set -euo pipefail

fwc=$(realpath "${1:-bin/fwc}")
scripts=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ln -s "$fwc" fwc
cp "$scripts"/router-v1.sh "$scripts"/router-v2.sh .
export PATH="$work:$PATH:/usr/sbin:/sbin"
export FWC_KEY_PASSPHRASE=demo

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() { printf '\033[1m$ %s\033[0m\n' "$*"; "$@"; }
export -f say run

say "In the pipeline: run the script in staging, write a signed artifact."
run fwc keygen -o demo
run fwc build router-v1.sh -o v1.artifact --key demo.key --label role=router
run fwc build router-v2.sh -o v2.artifact --key demo.key --label role=router --against v1.artifact >/dev/null

say "In the pull request: what a reviewer sees."
run fwc show v2.artifact
run fwc diff v1.artifact v2.artifact

say "On the host, here a network namespace that ends with the demo."
as_root=()
[ "$(id -u)" = 0 ] || as_root=(--user --map-root-user)
# shellcheck disable=SC2016 # the inner shell expands
unshare "${as_root[@]}" --net --mount bash -euc '
	mount -t tmpfs tmpfs /run # the xtables lock lives there
	echo "label.role = router" > policy.conf
	state="--state state"
	flags="--trust demo.pub --policy policy.conf $state"
	run fwc apply v1.artifact $flags
	run fwc status $state
	run fwc apply v2.artifact $flags
	iptables -t nat -S PREROUTING
	run fwc status $state
	say "Somebody changes a rule by hand: status names it."
	run iptables -I INPUT -p tcp --dport 23 -j ACCEPT
	run fwc status $state --exit-code || echo "(exit $?)"
	run iptables -D INPUT -p tcp --dport 23 -j ACCEPT
	say "And back."
	run fwc rollback $state
	iptables -t nat -S PREROUTING
	run fwc history $state
'
say "Done: nothing is left behind."
