#!/usr/bin/env bash
# Installs programs from crates.io into target/tools, in the versions that are named here, where they are not there yet.
#
#   deploy/image/tools.sh cargo-auditable     writes the list of crates into a program
#   deploy/image/tools.sh cargo-cyclonedx     writes the list of crates as a CycloneDX document
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in "$@"; do
	case $tool in
	cargo-auditable) version=0.7.7 ;;
	cargo-cyclonedx) version=0.5.9 ;;
	*)
		sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	# `cargo install` compares the version, and ends at once if it is there.
	"${CARGO:-cargo}" install --quiet --locked --root target/tools --target-dir "target/tools/build-$tool" --version "$version" "$tool"
	rm -rf "target/tools/build-$tool"
done
