#!/usr/bin/env bash
# Writes the crates of `ebb`, with their licences and checksums, as a CycloneDX document. It follows from Cargo.lock alone.
#
#   deploy/image/sbom.sh TARGET FILE
set -euo pipefail
target=$1
file=$(realpath -m "$2")
cd "$(dirname "$0")/../.."
root=$(pwd -P)
export PATH=$root/target/tools/bin:$PATH

# cargo-cyclonedx puts a document beside each manifest of a workspace, hence a copy of what it reads.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar --create --exclude='./target' --exclude='./.git' . | tar --extract --directory "$copy"
(cd "$copy" && "${CARGO:-cargo}" cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --target "$target" --no-build-deps)
# The places of this project's own crates are no addresses for anybody else.
sed "s|$copy|/src|g" "$copy/ebb_bin.cdx.json" >"$file"
