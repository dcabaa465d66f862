# shellcheck shell=bash
# What the steps of the action share.

fail() {
	echo "::error title=fwc::$(escaped "$1")" >&2
	exit 1
}

notice() { echo "::notice title=fwc::$(escaped "$1")"; }

# escaped makes a text the data of a workflow command.
escaped() {
	local s=${1//'%'/%25}
	s=${s//$'\r'/%0D}
	printf %s "${s//$'\n'/%0A}"
}

# output sets an output of the step; a line break would set another.
output() { # NAME VALUE
	case $2 in *$'\n'* | *$'\r'*) fail "a line break in $1" ;; esac
	printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
}

# checked_name holds the artifact's name to what may stand in a file's name, a
# URL and a comment of HTML.
checked_name() {
	[[ $INPUT_NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ && $INPUT_NAME != *--* ]] ||
		fail "the name may have letters, digits, dot, underscore and single dashes"
}

# api asks GitHub's API. The token goes through standard input: arguments are
# for everybody to see.
api() { # METHOD URL [CURL-ARGUMENT…]
	local method=$1 url=$2
	shift 2
	printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
		curl --config - --silent --show-error --fail --location --max-time 60 --retry 2 \
			--request "$method" --header 'Accept: application/vnd.github+json' \
			--header 'X-GitHub-Api-Version: 2022-11-28' "$@" -- "$url"
}
