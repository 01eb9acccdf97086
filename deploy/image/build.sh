#!/usr/bin/env bash
# Builds Ebb's image with buildah, which needs no engine and no base image, and describes it. Writes, below OUT:
#
#   ebb.tar         the image, as an OCI archive; `skopeo copy`, `podman load` and `kind load image-archive` read it
#   ebb.cdx.json    the list of its crates (CycloneDX 1.5)
#   digest          the digest of its manifest
#
# IMAGE is its name (ebb: and the version, which the chart and ebb.yaml name), OUT the folder (target/image), ARCH amd64 or arm64
# (this machine's), SOURCE the address of the source, for a label. SOURCE_DATE_EPOCH is the time of all its files: the
# commit's, if nothing else is set.
set -euo pipefail
cd "$(dirname "$0")/../.."

release=$(sed -nE '/^\[workspace.package\]/,/^\[/ s/^version = "(.*)"/\1/p' Cargo.toml)
image=${IMAGE:-ebb:$release}
out=${OUT:-target/image}
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
storage=(--root "$out/storage" --runroot "$out/run" --storage-driver vfs)

case ${ARCH:-$(uname -m)} in
amd64 | x86_64) arch=amd64 target=x86_64-unknown-linux-gnu ;;
arm64 | aarch64) arch=arm64 target=aarch64-unknown-linux-gnu ;;
*)
	echo "image: ARCH=${ARCH:-$(uname -m)} is neither amd64 nor arm64" >&2
	exit 2
	;;
esac

# Without git the image has no commit, and the time of its files is the beginning of 1980.
commit=${EBB_GIT_COMMIT-}
if [ -z "$commit" ] && commit=$(git rev-parse HEAD 2>/dev/null) && [ -n "$(git status --porcelain 2>/dev/null)" ]; then
	commit+=-dirty
fi
export EBB_GIT_COMMIT=$commit
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}

echo "image: compiling $release ${commit:-without a commit} for $arch"
context=$out/context
rm -rf "$context"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$out/build} TARGET=$target deploy/image/compile.sh "$context/image"
mkdir -p "$context/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$context/etc/ssl/certs/"
chmod 0644 "$context/etc/ssl/certs/ca-certificates.crt"
deploy/image/sbom.sh "$target" "$out/ebb.cdx.json"

labels=()
[ -z "${SOURCE-}" ] || labels=(--label "org.opencontainers.image.source=$SOURCE")
echo "image: building $image"
buildah "${storage[@]}" bud --quiet --isolation chroot --format oci --platform "linux/$arch" \
	--timestamp "$SOURCE_DATE_EPOCH" --identity-label=false --file deploy/image/Dockerfile \
	--ignorefile deploy/image/Dockerfile.dockerignore --build-context build="$context" \
	--build-arg COMMIT="$commit" --build-arg RELEASE="$release" \
	--build-arg CREATED="$(date --utc --date "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
	"${labels[@]}" --tag "$image" . >"$out/id"
rm -f "$out/ebb.tar"
# containerd takes a whole name as it is, and gives a prefix to any other.
case $image in
*/*) name=$image ;;
*) name=docker.io/library/$image ;;
esac
buildah "${storage[@]}" push --quiet --digestfile "$out/digest" "$(cat "$out/id")" "oci-archive:$out/ebb.tar:$name"
# The archive is the result. The storage would grow with each build.
buildah "${storage[@]}" rmi --all --force >/dev/null
rm -rf "$context"
echo "image: $out/ebb.tar, $(stat -c %s "$out/ebb.tar") bytes, $(cat "$out/digest")"
