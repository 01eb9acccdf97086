#!/usr/bin/env bash
# The checks of `make lint` that need programs of their own. A program that cannot be had is named, and its check is left out.
#
#   tests/lint.sh spelling        checks the spelling with typos, which pip installs into target/tools in seconds
#   tests/lint.sh dependencies    checks licences, duplicate versions and advisories with cargo-deny, if it is installed
#   tests/lint.sh tools           installs cargo-deny into target/tools: compiling it takes minutes
set -euo pipefail
cd "$(dirname "$0")/.."

typos_version=1.52.0
deny_version=0.20.2
cargo=${CARGO:-cargo}
tools=$PWD/target/tools

# skip PROGRAM VERSION CHECK HOW
skip() { echo "lint: $1 $2 is not installed, so $3 not checked: $4"; }

# has VERSION PROGRAM…: whether the program is there in that version.
has() { [ "$("${@:2}" --version 2>/dev/null | awk '{ print $2 }')" = "$1" ]; }

spelling() {
	local typos=$tools/typos/bin/typos
	if has "$typos_version" typos; then
		typos=typos
	elif ! has "$typos_version" "$typos"; then
		if ! python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --upgrade \
			--target "$tools/typos" "typos==$typos_version"; then
			skip typos "$typos_version" "the spelling is" "pip could not install it"
			return
		fi
	fi
	"$typos"
}

dependencies() {
	local deny=$tools/bin/cargo-deny
	if has "$deny_version" cargo-deny; then
		deny=cargo-deny
	elif ! has "$deny_version" "$deny"; then
		skip cargo-deny "$deny_version" "dependencies are" "make lint-tools installs it"
		return
	fi
	"$deny" --locked check --hide-inclusion-graph bans licenses sources
	# The advisories are in a repository on the internet.
	if ! timeout 60 "$deny" --locked fetch db >"$tools/advisories.log" 2>&1; then
		echo "lint: the database of advisories cannot be fetched, so advisories are not checked ($tools/advisories.log)"
		return
	fi
	"$deny" --locked check --hide-inclusion-graph --disable-fetch advisories
}

tools() {
	"$cargo" install --locked --root "$tools" --version "$deny_version" --no-default-features cargo-deny
}

case "${1:-}" in
spelling | dependencies | tools) "$1" ;;
*)
	sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
