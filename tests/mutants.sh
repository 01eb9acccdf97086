#!/usr/bin/env bash
# Changes the decisions in `plan/` in a small way, one change at a time, and names each change that no test notices:
# `make mutants`.
#
#   tests/mutants.sh diff [COMMIT]    the lines that differ from COMMIT: from where the branch left main, or from the last commit
#   tests/mutants.sh shard K/N        part K of N of the crate, counted from 0
#   tests/mutants.sh files GLOB…      these files: 'plan/src/tick.rs' 'plan/src/tick/*'
#   tests/mutants.sh tools            installs cargo-mutants into target/tools: compiling it takes minutes
#
# Each mutant meets the tables first. The properties and the simulated histories, which take longer, see only those that
# the tables miss. HISTORIES is the number of histories for each property.
set -euo pipefail
cd "$(dirname "$0")/.."

version=27.1.0
cargo=${CARGO:-cargo}
tools=$PWD/target/tools
work=$PWD/target/mutants
slow=(simulation formula::properties)

export CARGO_TARGET_DIR=$work/build CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-1} EBB_HISTORIES=${HISTORIES:-100}
# A failure is enough: nobody reads the smallest history that fails.
export PROPTEST_MAX_SHRINK_ITERS=0
PATH=$tools/bin:$PATH

# round NAME CHOICE… -- TEST-ARGUMENTS…: tests the chosen mutants, and leaves the outcome in target/mutants/NAME.
round() {
	local name=$1 outcome=0
	shift
	mkdir -p "$work/$name"
	"$cargo" mutants --package ebb-plan --no-shuffle --output "$work/$name" "$@" || outcome=$?
	# 2: some were missed; 3: some ran out of time. Anything else is a failure of the run.
	case $outcome in 0 | 2 | 3) ;; *) exit "$outcome" ;; esac
}

# names ROUND OUTCOME: the mutants with this outcome.
names() { cat "$work/$1/mutants.out/$2.txt" 2>/dev/null || true; }
count() { names "$@" | wc -l; }

# Gives those that the tables have missed the properties and histories, too.
second_round() {
	local again=() name
	while IFS= read -r name; do
		again+=("--re=^$(sed 's/[][\\.*^$+?(){}|]/\\&/g' <<<"$name")\$" "--file=${name%%:*}")
	done < <(names tables missed)
	[ ${#again[@]} -gt 0 ] || return 0
	echo "the tables miss $(count tables missed): those meet the properties and $EBB_HISTORIES histories for each"
	# The tables run again: cargo-mutants 27.1 takes deletions of fields for chosen, whatever the patterns are.
	round histories "${again[@]}"
}

# test_mutants CHOICE…: both rounds, and the outcome.
test_mutants() {
	rm -rf "$work/tables" "$work/histories"
	round tables "$@" -- -- "${slow[@]/#/--skip=}"
	second_round
	printf 'caught by tables %d, by properties and histories %d; out of time %d; do not compile %d; missed %d\n' \
		"$(count tables caught)" "$(names histories caught | { grep -cFxf <(names tables missed) || true; })" \
		"$(($(count tables timeout) + $(count histories timeout)))" "$(count tables unviable)" "$(count histories missed)"
	names histories missed
	[ "$(count histories missed)" = 0 ]
}

has_tool() {
	[ "$("$cargo" mutants --version 2>/dev/null | awk '{ print $2 }')" = "$version" ] || {
		echo "cargo-mutants $version is not installed: make mutants-tools installs it" >&2
		exit 1
	}
}

# The commit to compare with, where none is given: where the branch left main, or the last commit where nothing of `plan/`
# has changed since then.
base() {
	local commit
	commit=$(git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
	! git diff --quiet "$commit" -- plan || commit=$(git rev-parse HEAD~1)
	echo "$commit"
}

case "${1:-}" in
diff)
	has_tool
	mkdir -p "$work"
	git diff "${2:-$(base)}" -- plan >"$work/diff"
	[ -s "$work/diff" ] || { echo "nothing of plan/ differs"; exit 0; }
	test_mutants --in-diff "$work/diff"
	;;
shard)
	has_tool
	test_mutants --shard "${2:?which part of how many, such as 0/20}"
	;;
files)
	has_tool
	shift
	test_mutants "${@/#/--file=}"
	;;
tools) "$cargo" install --locked --root "$tools" --version "$version" cargo-mutants ;;
*)
	sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
