#!/usr/bin/env bash
# Builds Ebb's image twice, and tries it with the programs of its users: buildah, skopeo, cosign, a registry on 127.0.0.1.
# Ends with a line for each check, and keeps what was built in target/image.
#
#   tests/image/run.sh              everything (an hour the first time)
#   tests/image/run.sh STEP…        some of: build, again, contents, program, registry, e2e
#
# E2E is a list of words: the end-to-end tests that the image's program runs have one in their names. TEST_PROFILE is the
# profile of these tests (release).
set -euo pipefail
cd "$(dirname "$0")/../.."

out=$PWD/target/image
cosign=$PWD/target/tools/bin/cosign
# Bytes: as pushed, and unpacked.
most_compressed=12000000
most_unpacked=30000000
E2E=${E2E:-scaling kubectl cron}
summary=()

fail() {
	echo "image-test: FAILED: $*" >&2
	exit 1
}
passed() {
	summary+=("$*")
	echo "image-test: passed: $*"
}
# same NAME WANTED FOUND
same() { [ "$2" = "$3" ] || fail "$1 is “$3” instead of “$2”"; }

work=$(mktemp -d)
registry=
finish() {
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

digest() { skopeo inspect --format '{{.Digest}}' "$1"; }

build() {
	IMAGE=ebb:latest OUT=$out deploy/image/build.sh
	same "the digest in the file" "$(cat "$out/digest")" "$(digest "oci-archive:$out/ebb.tar")"
	passed "built: $(cat "$out/digest")"
}

# The same commit in another folder, from nothing: no path, no time and no order of the first build is in the image.
again() {
	local copy=$work/another/folder commit epoch
	commit=$(git rev-parse HEAD)
	[ -z "$(git status --porcelain)" ] || commit+=-dirty
	epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
	mkdir -p "$copy"
	git ls-files -z --cached --others --exclude-standard | xargs -0 tar --create | tar --extract --directory "$copy"
	mkdir -p "$copy/target"
	ln -s "$PWD/target/tools" "$copy/target/tools"
	# With a folder of the caller's it would find what the first build has compiled.
	(cd "$copy" && unset CARGO_TARGET_DIR && EBB_GIT_COMMIT=$commit SOURCE_DATE_EPOCH=$epoch OUT=$work/again deploy/image/build.sh)
	same "the digest of the second build" "$(cat "$out/digest")" "$(cat "$work/again/digest")"
	cmp "$out/ebb.cdx.json" "$work/again/ebb.cdx.json" || fail "the second build has another list of crates"
	rm -rf "$copy" "$work/again"
	passed "a build from nothing in another folder has the same digest"
}

# Unpacks the image into $out/root, as a runtime would.
unpack() {
	local layer
	rm -rf "$work/oci" "$out/root"
	mkdir -p "$out/root"
	skopeo copy --quiet "oci-archive:$out/ebb.tar" "oci:$work/oci:ebb"
	manifest=$work/oci/blobs/sha256/$(jq -r '.manifests[0].digest | sub("sha256:"; "")' "$work/oci/index.json")
	config=$work/oci/blobs/sha256/$(jq -r '.config.digest | sub("sha256:"; "")' "$manifest")
	for layer in $(jq -r '.layers[].digest | sub("sha256:"; "")' "$manifest"); do
		tar --extract --gzip --file "$work/oci/blobs/sha256/$layer" --directory "$out/root"
	done
}

contents() {
	local size unpacked label found
	unpack
	size=$(jq '[.layers[].size, .config.size] | add' "$manifest")
	unpacked=$(find "$out/root" -type f -printf '%s\n' | awk '{ all += $1 } END { print all }')
	[ "$size" -le $most_compressed ] || fail "$size bytes compressed, more than $most_compressed"
	[ "$unpacked" -le $most_unpacked ] || fail "$unpacked bytes unpacked, more than $most_unpacked"
	passed "$size bytes compressed (at most $most_compressed), $unpacked unpacked (at most $most_unpacked)"

	found=$(cd "$out/root" && find . ! -type d | sort | tr '\n' ' ')
	same "the list of files" "./ebb ./etc/ssl/certs/ca-certificates.crt ./keda " "$found"
	found=$(grep -c 'BEGIN CERTIFICATE' "$out/root/etc/ssl/certs/ca-certificates.crt")
	[ "$found" -gt 100 ] || fail "only $found authorities"
	passed "a program, its second name, and $found certificate authorities: nothing else"

	same "the user" 65532:65532 "$(jq -r .config.User "$config")"
	same "the entry point" '["/ebb"] ["run"]' "$(jq -c -r '"\(.config.Entrypoint) \(.config.Cmd)"' "$config")"
	same "the volumes" null "$(jq -r .config.Volumes "$config")"
	for label in title description licenses version revision created; do
		found=$(jq -r --arg name "org.opencontainers.image.$label" '.config.Labels[$name] // ""' "$config")
		[ -n "$found" ] || fail "the label $label is empty"
		echo "    $label: $found"
	done
	passed "user 65532, no volume, the labels of OCI"
}

# list FILE: the crates that cargo-auditable has written into a program.
list() {
	objcopy --dump-section ".dep-v0=$work/list" "$1" /dev/null
	python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1], "rb").read()))' "$work/list"
}

# The root of the image as the whole file system, read-only, for the image's user.
in_image() {
	unshare --mount --net bash -c '
		mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd / || exit
		shift
		exec chroot --userspec=65532:65532 "$@"' in_image "$out/root" "$out/root" "$@"
}

# without WORD WHY COMMAND…: fails with WHY if the command, which must succeed, prints the word.
without() {
	local printed
	printed=$("${@:3}")
	[[ $printed != *"$1"* ]] || fail "$2"
}

program() {
	local ebb=$out/root/ebb version found
	unpack
	without INTERP "the program needs a loader" readelf --program-headers "$ebb"
	without NEEDED "the program needs libraries" readelf --dynamic "$ebb"
	without .symtab "the program has its symbols" readelf --sections --wide "$ebb"
	! grep -a -q -F -e "$PWD" -e "${CARGO_HOME:-$HOME/.cargo}" "$ebb" || fail "a path of this machine is in the program"
	passed "static, without symbols, without a path of this machine"

	version=$("$ebb" --version)
	[[ $version == *"(commit $(jq -r '.config.Labels["org.opencontainers.image.revision"]' "$config"))" ]] ||
		fail "--version says “$version”, not the label's commit"
	passed "$version"

	# Those of the build only are not in the document.
	list "$ebb" | jq -r '.packages[] | select(.kind != "build") | "\(.name) \(.version)"' | sort -u >"$work/in-program"
	jq -r '.components[], .metadata.component | "\(.name) \(.version)"' "$out/ebb.cdx.json" | sort -u >"$work/in-file"
	comm -23 "$work/in-program" "$work/in-file" >"$work/missing"
	[ ! -s "$work/missing" ] || fail "crates of the program that are not in ebb.cdx.json: $(tr '\n' ',' <"$work/missing")"
	passed "a list of $(wc -l <"$work/in-program") crates in the program; ebb.cdx.json has all of them"

	same "the version, in the image" "$version" "$(in_image /ebb --version)"
	found=$(in_image /ebb cron --timezone America/New_York --start '0 8 * * *' --end '0 18 * * *' --at 2026-07-01T12:30:00Z -n 1)
	[[ $found == *open* ]] || fail "the time zones: $found"
	found=$(in_image /keda --help)
	[[ $found == *--leader-elect* ]] || fail "the name keda does not run the autoscaler"
	passed "it runs on a read-only root as user 65532, with no other file; time zones are in it"
}

start_registry() {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	address=127.0.0.1:$port
	cat >"$work/registry.yml" <<-END
		version: 0.1
		log: {level: warn, accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $work/registry}}
		http: {addr: "$address"}
	END
	OTEL_TRACES_EXPORTER=none docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
	registry=$!
	for _ in $(seq 50); do
		if curl --silent --fail "http://$address/v2/" >/dev/null; then return; fi
		sleep 0.1
	done
	cat "$work/registry.log" >&2
	fail "the registry does not answer"
}

# The flags of cosign for a registry without TLS, here, and no service of Sigstore.
verify() {
	"$cosign" verify --key "$1" --insecure-ignore-tlog=true --allow-http-registry --allow-insecure-registry "${@:2}"
}

registry() {
	local pushed
	[ -e "$out/ebb.tar" ] || fail "there is no image: build comes first"
	start_registry
	pushed=$address/ebb@$(cat "$out/digest")
	skopeo copy --quiet --preserve-digests --dest-tls-verify=false "oci-archive:$out/ebb.tar" "docker://$address/ebb:latest"
	same "the digest as pushed" "$(cat "$out/digest")" "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/ebb:latest")"
	passed "pushed with skopeo, under the same digest"

	export COSIGN_PASSWORD=throw-away
	(cd "$work" && "$cosign" generate-key-pair --output-key-prefix good && "$cosign" generate-key-pair --output-key-prefix other) 2>"$work/keys.log"
	# Neither a transparency log nor a time stamp, and no look at Sigstore's public instance.
	"$cosign" signing-config create --out "$work/signing.json"
	"$cosign" trusted-root create --out "$work/trusted.json"
	local sign=(--yes --key "$work/good.key" --signing-config "$work/signing.json" --trusted-root "$work/trusted.json"
		--allow-http-registry --allow-insecure-registry)
	"$cosign" sign "${sign[@]}" "$pushed"
	verify "$work/good.pub" "$pushed" >"$work/verified.json"
	! verify "$work/other.pub" "$pushed" >/dev/null 2>&1 || fail "another key verifies the signature, too"
	passed "signed with cosign, and verified: by the right key only"

	"$cosign" attest "${sign[@]}" --type cyclonedx --predicate "$out/ebb.cdx.json" "$pushed"
	"$cosign" verify-attestation --key "$work/good.pub" --insecure-ignore-tlog=true --allow-http-registry --allow-insecure-registry \
		--type cyclonedx "$pushed" >"$work/attested.json"
	passed "the CycloneDX document is attached to it, signed, and verified"

	skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false "docker://$address/ebb:latest" "docker://$address/mirror/ebb:copy"
	same "the digest of the copy" "$(cat "$out/digest")" "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/mirror/ebb:copy")"
	passed "copied to another repository with skopeo, under the same digest"
	kill "$registry"
	wait "$registry" 2>/dev/null || true
	registry=
}

e2e() {
	unpack
	make --no-print-directory setup bed
	EBB_BINARY=$out/root/ebb "${CARGO:-cargo}" test --locked --workspace --profile "${TEST_PROFILE:-release}" --test e2e -- \
		--test-threads 2 $E2E
	passed "end-to-end tests with the image's program: $E2E"
}

tests/image/install.sh
steps=("$@")
[ $# -gt 0 ] || steps=(build again contents program registry e2e)
for step in "${steps[@]}"; do
	case $step in
	build | again | contents | program | registry | e2e) "$step" ;;
	*)
		sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
done
printf '\n%s\n' "${summary[@]}"
