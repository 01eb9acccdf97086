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

# All packages are named in every call, so that every crate is compiled once: another choice would mean other features of
# the dependencies. The stories are not among "all targets", as they need servers, and cargo takes no notice of --test
# beside --all-targets: they have calls of their own.
everything=(--release --locked --workspace --all-targets)
story_programs=(--release --locked --workspace --test e2e --test serial --test record)

build() {
	step "build" "8 to 17 minutes the first time" "$cargo" build "${everything[@]}"
	step "build of the stories" "" "$cargo" build "${story_programs[@]}"
}

# stories TARGET THREADS [WORD]
stories() { "$cargo" test --release --locked --workspace --test "$1" -- --test-threads "$2" "${@:3}"; }

end_to_end() {
	# Each story has a namespace of its own; more of them at once only makes two cores wait.
	step "end-to-end tests: stories side by side" "about 6 minutes" stories e2e 4 "$@"
	# These stop parts of the control plane, or measure it.
	step "end-to-end tests: faults and measurements, one by one" "17 to 25 minutes" stories serial 1 "$@"
	# Whoever plays only some stories uses only some rights.
	[ $# -gt 0 ] || step "what the stories left on record" "" stories record 2
}

if [ "${1:-}" = e2e ]; then
	build
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
step "Debian packages: RabbitMQ, Prometheus, Java" "seconds when they are there" tests/cluster/install.sh
step "Kafka's jars" "half a minute the first time: 55 MB from Maven Central" tests/cluster/kafka/fetch.sh
echo "    (the control plane is built meanwhile: about 10 minutes the first time, seconds after that)"
tests/cluster/build.sh >"$log" 2>&1 &
bed_build=$!
step "formatting" "" "$cargo" fmt --all --check
build
step "clippy" "about 2 minutes the first time" "$cargo" clippy --quiet "${everything[@]}" -- --deny warnings
step "clippy of the stories" "" "$cargo" clippy --quiet "${story_programs[@]}" -- --deny warnings
step "documentation of the code" "half a minute the first time" env RUSTDOCFLAGS="--deny warnings" \
	"$cargo" doc --quiet --release --locked --workspace --no-deps --document-private-items
step "spelling" "" tests/lint.sh spelling
step "unit tests; crds/yaml is what the types make" "" "$cargo" test --quiet --release --locked --workspace
step "control plane is built" "what is left of the 10 minutes" built_bed
step "unit tests of the control plane's supervisor" "half a minute: its Kafka is started once" bash -c 'cd tests/cluster && go vet ./... && go test ./...'
end_to_end

printf '\n==> [%s] all passed\n' "$(clock $((SECONDS - begin)))"
printf '%s\n' "${summary[@]}"
