#!/usr/bin/env bash
# Writes the review in all formats, and the job's summary.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

checked_name
if [ -z "${BASE:-}" ]; then
	printf '### Firewall: %s\n\nThere is nothing to compare with yet.\n' "$INPUT_NAME" >>"$GITHUB_STEP_SUMMARY"
	exit 0
fi
# The names in the report are those of the files.
dir=$RUNNER_TEMP/fwc/$INPUT_NAME
mkdir -p "$dir/base" "$dir/review"
cp -- "$BASE" "$dir/base/$INPUT_NAME.artifact"
cd "$dir"
for format in markdown:md html:html json:json; do
	"$FWC" diff --format "${format%:*}" -- "base/$INPUT_NAME.artifact" "$INPUT_NAME.artifact" >"review/review.${format#*:}"
done
cat review/review.md >>"$GITHUB_STEP_SUMMARY"

count() { jq -r --arg change "$1" 'if .packets then [.packets.regions[] | select(.change == $change)] | length else "" end' review/review.json; }
output changed "$(jq -r '.equal | not' review/review.json)"
output allowed "$(count allowed)"
output blocked "$(count blocked)"
output review "$dir/review"
