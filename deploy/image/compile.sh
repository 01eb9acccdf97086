#!/usr/bin/env bash
# Compiles the program of the image: static, without symbols, with the list of its crates inside (cargo-auditable).
#
#   deploy/image/compile.sh FOLDER     writes FOLDER/ebb, and FOLDER/keda, the name by which KEDA's chart starts its operator
#
# The same commit and toolchain give the same bits in any folder: no path of this machine enters the program. EBB_GIT_COMMIT
# names the commit where there is no git. TARGET is the platform to compile for, if it is not this one.
set -euo pipefail
mkdir -p "$1"
output=$(cd "$1" && pwd -P)
cd "$(dirname "$0")/../.."

cargo=${CARGO:-cargo}
# An explicit target keeps the static runtime out of the build scripts and macros, which must be dynamic.
target=${TARGET:-$(rustc --version --verbose | sed -n 's/^host: //p')}
folder=${CARGO_TARGET_DIR:-target/image/build}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd -P)
root=$(pwd -P)
export PATH=$root/target/tools/bin:$PATH

"$cargo" fetch --locked --target "$target"
flags=(-C target-feature=+crt-static)
c_flags=()
# remap FROM TO: the programs name TO where they would name FROM.
remap() {
	flags+=(--remap-path-prefix="$1=$2")
	c_flags+=("-ffile-prefix-map=$1=$2")
}
# The last one that fits counts.
remap "$root" /src
remap "$folder" /target
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
	remap "${crates%/}" /crates
done

export CARGO_ENCODED_RUSTFLAGS CFLAGS="${c_flags[*]}"
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
"$cargo" auditable build --profile image --locked --package ebb --bin ebb --target "$target" --target-dir "$folder"
install -m 0755 "$folder/$target/image/ebb" "$output/ebb"
ln -sfn ebb "$output/keda"
