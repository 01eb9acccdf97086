#!/usr/bin/env bash
# Installs what the tests of the image need and is not there yet: buildah, skopeo and a registry from Debian, cosign from its Go
# module (it compiles for about ten minutes the first time).
set -euo pipefail
cd "$(dirname "$0")/../.."

cosign=github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3

packages=()
# want PACKAGE COMMAND
want() { command -v "$2" >/dev/null || packages+=("$1"); }
want buildah buildah
want skopeo skopeo
want docker-registry docker-registry
want jq jq
want binutils readelf
want curl curl
[ ${#packages[@]} -eq 0 ] || tests/debian.sh "${packages[@]}"

deploy/image/tools.sh cargo-auditable cargo-cyclonedx
version=$(go version -m target/tools/bin/cosign 2>/dev/null | awk '$1 == "mod" { print $3 }' || true)
if [ "$version" != "${cosign#*@}" ]; then
	echo "install: compiling cosign"
	GOBIN=$PWD/target/tools/bin go install "$cosign"
fi
