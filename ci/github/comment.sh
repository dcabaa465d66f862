#!/usr/bin/env bash
# Writes the review into the pull request's one comment of this name, which the
# first run creates and later ones update.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

checked_name
number=$(jq -r '.pull_request.number // empty' "$GITHUB_EVENT_PATH")
[ -n "$number" ] || exit 0
if [ -z "${GITHUB_TOKEN:-}" ]; then
	notice "no token to comment with: the review is in the job's summary"
	exit 0
fi

marker="<!-- fwc: $INPUT_NAME -->"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
{
	printf '%s\n' "$marker"
	cat "$REVIEW/review.md"
	echo "<sub>[The job]($GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID) has this as a page, too: $INPUT_NAME-review.</sub>"
} | jq --raw-input --slurp '{body: .}' >"$body"

# Anybody can write the marker into a comment: only the token's own is ours.
comments=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues
id=
for ((page = 1; page <= 50; page++)); do
	list=$(api GET "$comments/$number/comments?per_page=100&page=$page") || {
		notice "the pull request's comments cannot be read: the review is in the job's summary"
		exit 0
	}
	id=$(jq -r --arg marker "$marker" --arg author "$INPUT_AUTHOR" \
		'[.[] | select(.user.login == $author and (.body | startswith($marker)))] | first | .id // empty' <<<"$list")
	if [ -n "$id" ] || [ "$(jq length <<<"$list")" -lt 100 ]; then
		break
	fi
done

if [ -n "$id" ]; then
	method=PATCH url=$comments/comments/$id
else
	method=POST url=$comments/$number/comments
fi
# A pull request from a fork has a token that may only read.
api "$method" "$url" --header 'Content-Type: application/json' --data-binary "@$body" >/dev/null ||
	notice "this token may not comment, as for pull requests from forks: the review is in the job's summary"
