#!/usr/bin/env bash
# Runs the checks of `make test`, one step after the other, and says how long each took.
#
#   tests/run.sh             everything
#   tests/run.sh e2e WORD    the end-to-end tests alone, or those with WORD in their names
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
log=target/test-bed-build.log
begin=$SECONDS
summary=()

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# step NAME HINT COMMAND…: runs the command; HINT says what to expect of its duration.
step() {
	local name=$1 hint=$2 start=$SECONDS
	shift 2
	printf '\n==> [%s] %s%s\n' "$(clock $((SECONDS - begin)))" "$name" "${hint:+ ($hint)}"
	if ! "$@"; then
		printf '\n==> [%s] FAILED: %s\n' "$(clock $((SECONDS - begin)))" "$name" >&2
		exit 1
	fi
	summary+=("$(printf '%6s  %s' "$(clock $((SECONDS - start)))" "$name")")
}

cargo_test() { "$cargo" test --release --locked --quiet "$@"; }

# Side by side, each in a namespace of its own; more at once only makes two cores wait.
shared_stories() { cargo_test --package ebb-tests --test e2e -- --test-threads 4 "$@"; }
# These stop parts of the control plane, or measure it.
serial_stories() { cargo_test --package ebb-tests --test serial -- --test-threads 1 "$@"; }

end_to_end() {
	step "end-to-end tests: stories side by side" "about 3 minutes" shared_stories "$@"
	step "end-to-end tests: faults and measurements, one by one" "about 5 minutes" serial_stories "$@"
}

if [ "${1:-}" = e2e ]; then
	end_to_end "${@:2}"
	exit 0
fi

bed_build=
finish() {
	# Only after a failure is it still there.
	[ -z "$bed_build" ] || kill "$bed_build" 2>/dev/null || true
}
trap finish EXIT
built_bed() {
	wait "$bed_build" || {
		tail -n 40 "$log"
		return 1
	}
	bed_build=
}

mkdir -p target
step "Debian packages: RabbitMQ, Prometheus" "seconds when they are there" tests/cluster/install.sh
echo "    (the control plane is built meanwhile: about 10 minutes the first time, seconds after that)"
tests/cluster/build.sh >"$log" 2>&1 &
bed_build=$!
step "formatting" "" "$cargo" fmt --all --check
step "build" "about 5 minutes the first time" "$cargo" build --release --locked --workspace --bins
step "build of the tests" "" cargo_test --workspace --no-run
step "clippy" "about 2 minutes the first time" \
	"$cargo" clippy --release --locked --quiet --workspace --all-targets -- --deny warnings
step "unit tests; crds/yaml is what the types make" "" cargo_test --workspace --exclude ebb-tests
step "unit tests of the test bed's library" "" cargo_test --package ebb-tests --lib --bins
step "control plane is built" "what is left of the 10 minutes" built_bed
step "unit tests of the control plane's supervisor" "" bash -c 'cd tests/cluster && go vet ./... && go test ./...'
end_to_end

printf '\n==> [%s] all passed\n' "$(clock $((SECONDS - begin)))"
printf '%s\n' "${summary[@]}"
