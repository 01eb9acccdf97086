#!/usr/bin/env bash
# Installs what `make release-test` needs beside Helm and kustomize, and is not there yet: Lua from Debian, which runs Argo CD's health
# script, and kubeconform from its Go module into target/tools.
set -euo pipefail
cd "$(dirname "$0")/../.."

kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0

command -v lua5.1 >/dev/null || tests/debian.sh lua5.1

version=$(go version -m target/tools/bin/kubeconform 2>/dev/null | awk '$1 == "mod" { print $3 }' || true)
if [ "$version" != "${kubeconform#*@}" ]; then
	echo "building kubeconform ${kubeconform#*@}"
	GOBIN=$PWD/target/tools/bin go install -ldflags '-s -w' "$kubeconform"
fi
