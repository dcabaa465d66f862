#!/usr/bin/env bash
# Builds the script into $RUNNER_TEMP/fwc/NAME/NAME.artifact.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

checked_name
dir=$RUNNER_TEMP/fwc/$INPUT_NAME
mkdir -p "$dir"

fwc=${INPUT_FWC:-}
if [ -z "$fwc" ]; then
	fwc=$RUNNER_TEMP/fwc/fwc
	[ -x "$fwc" ] || (cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -o "$fwc" ./cmd/fwc)
fi

# The tools of the script, and user namespaces, which Ubuntu's AppArmor keeps
# from ordinary users.
missing=()
for tool in iptables:iptables ipset:ipset curl:curl jq:jq unzip:unzip; do
	command -v "${tool%%:*}" >/dev/null || [ -x "/usr/sbin/${tool%%:*}" ] || missing+=("${tool#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
	sudo apt-get update -qq
	sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if [ "$(id -u)" != 0 ] && ! unshare --user --map-root-user true 2>/dev/null; then
	sudo sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0
fi

flags=()
while IFS= read -r word; do
	[ -z "$word" ] || flags+=("$word")
done <<<"${INPUT_FLAGS:-}"
if [ -n "${INPUT_KEY:-}" ]; then
	flags+=(--key "$INPUT_KEY")
elif [ -z "${FWC_KEY:-}" ]; then
	flags+=(--unsigned)
fi

# A script that looks like a flag is none; nothing is compared here.
rm -f "$dir/$INPUT_NAME.artifact"
"$fwc" build "${flags[@]}" -o "$dir/$INPUT_NAME.artifact" -- "$INPUT_SCRIPT"
output artifact "$dir/$INPUT_NAME.artifact"
output fwc "$fwc"
