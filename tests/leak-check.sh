#!/usr/bin/env bash
# Reads Kafka triggers of a real broker under valgrind, failures included: nothing that librdkafka gave out may be lost.
#
#   tests/leak-check.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
cargo=${CARGO:-cargo}
bed=target/testbed/bin/ebb-bed
dir=target/beds/leak-check
programs=target/release/examples

"$cargo" build --release --locked --workspace --examples
mkdir -p target/beds
"$bed" up --dir "$dir" --with kafka --detach >/dev/null
trap '"$bed" down --dir "$dir"' EXIT
"$programs/leak-check-topic" "$dir/bed.json" leak-check
# What is still reachable when the program ends is not lost: certificates, OpenSSL's own tables.
valgrind --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=1 \
	--suppressions=tests/leak-check.supp \
	"$programs/kafka-reads" "$dir/bed.json" leak-check "$rounds"
echo "leak-check: nothing is lost"
