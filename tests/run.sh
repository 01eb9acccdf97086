#!/usr/bin/env bash
# Runs the checks of `make test`, and says how long each step and each end-to-end test took.
#
#   tests/run.sh             everything
#   tests/run.sh unit        the unit tests alone
#   tests/run.sh e2e WORD    the end-to-end tests alone, or those with WORD in their names
#   tests/run.sh release     the Helm chart, the manifests, Argo CD's health script and the JSON Schemas, with the tools of their users
#   tests/run.sh ui          the page of `ebb ui`: its own tests, then in Chromium against a real Ebb
#   tests/run.sh soak        the long end-to-end tests at full size (SEEDS of `make churn`, LOSSES of `make losses`)
#
# K8S=1.35 runs those with a cluster on that version of Kubernetes (tests/cluster/build.sh has the versions).
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
log=target/test-cluster-build.log
programs=target/test-programs
end_to_end=(e2e disruption edits serial record)
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

# One call builds every test program and, as they are tested, the programs `ebb`, `churn` and so on. It names all packages:
# another choice would mean other features of the dependencies, and compile them again. Writes a line for each test
# program: the folder of its package, and the program.
build() {
	"$cargo" test --no-run --release --locked --workspace --tests --message-format=json-render-diagnostics >"$programs.json" || return
	sed -nE 's|.*"manifest_path":"([^"]*)/Cargo.toml".*"test":true\},"features".*"executable":"([^"]*)".*|\1\t\2|p' \
		"$programs.json" >"$programs"
}

# Everything that needs no test cluster.
unit() {
	local folder program
	local needs_cluster="/($(IFS='|' && echo "${end_to_end[*]}")|release|ui)-[0-9a-f]+$"
	while IFS=$'\t' read -r folder program; do
		[[ $program =~ $needs_cluster ]] || (cd "$folder" && "$program" --quiet) || return
	done <"$programs"
	"$cargo" test --quiet --release --locked --workspace --doc
}

# The libraries of the API that Ebb is compared with have a release for the newest version of Kubernetes only. The API server
# has MutatingAdmissionPolicies from 1.36 on.
skip=()
[ "${K8S:-1.37}" = 1.37 ] || skip=(--skip reference:: --skip a_policy_of_the_cluster)

# The background processes that are still to end, by pid.
running=()
filters=()
finish() {
	# Only after a failure or an interrupt are there any.
	[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

# start NAME THREADS [WORD…]: starts a program of end-to-end tests; each line of its output has the name before it.
start() {
	local name=$1 threads=$2 pipe=target/$1.pipe program
	program=$(sed -nE "s|.*\t(.*/$name-[0-9a-f]+)$|\1|p" "$programs")
	rm -f "target/beds/$name.durations" "$pipe"
	mkfifo "$pipe"
	sed -u "s/^/[$name] /" <"$pipe" &
	filters+=($!)
	"$program" --test-threads "$threads" "${skip[@]}" "${@:3}" >"$pipe" 2>&1 &
	running+=($!)
}

# Waits for all that was started, so that none is cut off by the failure of another.
ended() {
	local pid outcome=0
	for pid in "${running[@]}"; do
		wait "$pid" || outcome=1
	done
	wait "${filters[@]}"
	running=() filters=()
	return $outcome
}

side_by_side() {
	local outcome=0
	# More threads would only make two cores wait.
	start e2e 3 "$@"
	start disruption 1 "$@"
	start edits 1 "$@"
	ended || outcome=1
	durations e2e disruption edits
	return $outcome
}

# alone NAME [WORD…]
alone() {
	local outcome=0
	start "$1" 1 "${@:2}"
	ended || outcome=1
	durations "$1"
	return $outcome
}

# durations NAME…: the seconds of each end-to-end test of these programs, the slowest first.
durations() {
	printf 'Seconds of each test:\n'
	sorted "$@"
}

sorted() {
	local name
	for name in "$@"; do
		[ ! -e "target/beds/$name.durations" ] || cat "target/beds/$name.durations"
	done | sort -rn
}

end_to_end() {
	step "end-to-end tests, those that disrupt a test cluster, and edits, side by side" "about 8 minutes" side_by_side "$@"
	step "end-to-end tests that measure, one by one" "about 10 minutes" alone serial "$@"
	# A choice of tests uses a choice of rights.
	[ $# -gt 0 ] || step "rights and secrets on record" "" alone record
}

cluster_build=
# Builds the control plane in the background; `built_cluster` waits for it.
build_cluster() {
	mkdir -p target
	step "Debian packages: RabbitMQ, Prometheus, Java" "seconds when they are there" tests/cluster/install.sh
	step "Kafka's jars" "half a minute the first time: 55 MB from Maven Central" tests/cluster/kafka/fetch.sh
	echo "    (the control plane is built meanwhile: about 10 minutes the first time, seconds after that)"
	tests/cluster/build.sh >"$log" 2>&1 &
	cluster_build=$!
	running=("$cluster_build")
}

built_cluster() {
	local outcome=0
	wait "$cluster_build" || outcome=1
	running=()
	[ $outcome -eq 0 ] || tail -n 40 "$log"
	return $outcome
}

# Builds everything, the control plane beside the rest.
build_all() {
	build_cluster
	step "build" "8 to 15 minutes the first time" build
	step "control plane is built" "what is left of the 10 minutes" built_cluster
}

finished() {
	printf '\n==> [%s] all passed\n' "$(clock $((SECONDS - begin)))"
	printf '%s\n' "${summary[@]}"
	printf '\nThe slowest end-to-end tests, in seconds:\n'
	sorted "${end_to_end[@]}" | head -n 20 || true
}

case ${1:-} in
unit)
	mkdir -p target
	step "build" "8 to 15 minutes the first time" build
	step "unit tests; crds/yaml is what the types make" "" unit
	;;
e2e)
	build_all
	end_to_end "${@:2}"
	finished
	;;
release)
	build_all
	step "Helm 3, Helm 4 and kustomize" "5 minutes the first time" deploy/helm/tools.sh
	step "Lua and kubeconform" "a minute the first time" tests/release/tools.sh
	step "the Helm chart, the manifests, Argo CD's health script, the JSON Schemas" "about 9 minutes" alone release
	finished
	;;
ui)
	step "the page itself" "2 minutes" ui/test.sh
	build_all
	step "the page in a browser" "about 4 minutes" alone ui
	finished
	;;
soak)
	build_all
	step "edits and kills, ${SEEDS:-30} seeds" "a minute for each seed" env CHURN_SEEDS="${SEEDS:-30}" target/release/churn kills
	step "edits and lost writes, ${LOSSES:-5} seeds" "" env CHURN_SEEDS="${LOSSES:-5}" target/release/churn losses
	export EBB_FULL_SIZE=1
	step "a workload with workers" "2 minutes" alone disruption closed_loop::
	step "a thousand, and broken ones beside a hundred" "6 minutes" alone serial many:: broken_beside::
	finished
	;;
'')
	build_cluster
	step "formatting" "" "$cargo" fmt --all --check
	step "build" "8 to 15 minutes the first time" build
	step "clippy" "about 2 minutes the first time" \
		"$cargo" clippy --quiet --release --locked --workspace --all-targets -- --deny warnings
	step "documentation of the code" "half a minute the first time" env RUSTDOCFLAGS="--deny warnings" \
		"$cargo" doc --quiet --release --locked --workspace --no-deps --document-private-items
	step "spelling" "" tests/lint.sh spelling
	step "unit tests; crds/yaml is what the types make" "" unit
	step "control plane is built" "what is left of the 10 minutes" built_cluster
	step "unit tests of the control plane's supervisor" "half a minute: its Kafka is started once" \
		bash -c 'cd tests/cluster && go vet ./... && go test ./...'
	end_to_end
	finished
	;;
*)
	sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
