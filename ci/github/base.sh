#!/usr/bin/env bash
# Finds what to compare with: a file that was given, or the artifact that the
# base branch built last. None is no error: somebody has to be the first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

checked_name
if [ -n "${INPUT_AGAINST:-}" ]; then
	output artifact "$INPUT_AGAINST"
	exit 0
fi
branch=${GITHUB_BASE_REF:-$GITHUB_REF_NAME}
if [ -z "${GITHUB_TOKEN:-}" ]; then
	notice "no token to fetch the artifact of $branch with"
	exit 0
fi

# A fork may call its branch as the base is called, and upload what it likes:
# only what this repository built of its own branch counts.
# shellcheck disable=SC2016 # the variables are jq's
pick='[.artifacts[]
	| select(.name == $name and (.expired | not) and .workflow_run.head_branch == $branch
		and .workflow_run.head_repository_id == $repository and .workflow_run.id != $run)]
	| sort_by(.created_at) | last | .archive_download_url // empty'
url=
for ((page = 1; page <= 20; page++)); do # the newest come first
	list=$(api GET "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/actions/artifacts?per_page=100&name=$INPUT_NAME&page=$page") || {
		notice "the artifacts of $branch cannot be listed: the job needs the permission actions: read"
		exit 0
	}
	url=$(jq -r --arg name "$INPUT_NAME" --arg branch "$branch" --argjson repository "$REPOSITORY_ID" \
		--argjson run "$GITHUB_RUN_ID" "$pick" <<<"$list")
	if [ -n "$url" ] || [ "$(jq '.artifacts | length' <<<"$list")" -lt 100 ]; then
		break
	fi
done
if [ -z "$url" ]; then
	notice "$branch has built no artifact named $INPUT_NAME yet: there is nothing to compare with"
	exit 0
fi
dir=$RUNNER_TEMP/fwc/$INPUT_NAME
mkdir -p "$dir"
api GET "$url" --output "$dir/base.zip"
unzip -p "$dir/base.zip" "$INPUT_NAME.artifact" >"$dir/base.artifact"
rm "$dir/base.zip"
output artifact "$dir/base.artifact"
