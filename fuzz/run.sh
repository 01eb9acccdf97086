#!/usr/bin/env bash
# Fuzzes what users can write and what comes over the network, with libFuzzer: `make fuzz`.
#
#   fuzz/run.sh SECONDS [TARGET…]     SECONDS for each target of fuzz/targets; all without a name
#
# It goes on from what earlier runs have found (target/fuzz/corpus). An input that breaks something is left in
# target/fuzz/found; `target/fuzz/bin/TARGET FILE` shows what it does. Put right, it becomes a row of a unit test.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?how many seconds}
shift
all=(cron formula kafka management metadata request review)
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")
work=target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

echo "building the targets (the first time with all they depend on: several minutes)"
# What cargo-fuzz would set, but for a sanitizer: libFuzzer needs to see the edges and comparisons of all code. Build
# scripts are spared because the target is named.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
	"${CARGO:-cargo}" build --release --locked --manifest-path fuzz/Cargo.toml --target-dir "$work" --target "$host"
mkdir -p "$work/bin" "$work/found"
# A copy, so that a long run does not mind the next build.
install -t "$work/bin" "${all[@]/#/$work/$host/release/}"

# Inputs to begin with: the rows of the unit tests' tables, and the names of all parameters as a dictionary.
rm -rf "$work/seeds"
mkdir -p "${all[@]/#/$work/seeds/}" "${all[@]/#/$work/corpus/}"
cut -f 1-4 scalers/tests/data/cron-windows.tsv | sed -n '2~10p' | cat - fuzz/seeds/cron.txt |
	split --lines 1 --additional-suffix .txt --suffix-length 3 - "$work/seeds/cron/"
cut -f 1 plan/src/formula/expr-lang.tsv | sed -n '1~4p' |
	split --lines 1 --additional-suffix .txt --suffix-length 4 - "$work/seeds/formula/"
for target in management metadata review; do
	awk -v RS= -v "dir=$work/seeds/$target" '{ printf "%s", $0 > (dir "/" NR ".txt") }' "fuzz/seeds/$target.txt"
done
# A head ends with an empty line, and lines end as HTTP's do.
awk -v RS= -v "dir=$work/seeds/request" '{ gsub("\n", "\r\n"); printf "%s\r\n\r\n", $0 > (dir "/" NR ".txt") }' \
	fuzz/seeds/request.txt
# http2 PATH: the preface, empty SETTINGS, and a GET with a token, in headers that are not
# compressed (RFC 9113 and RFC 7541).
http2() {
	local size length
	printf -v size '\\x%02x' $((21 + ${#1}))
	printf -v length '\\x%02x' ${#1}
	printf '2PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0'
	printf "\\0\\0$size\\1\\5\\0\\0\\0\\1\\x82\\x87\\x04$length%s\\x01\\x04ebb.\\x0f\\x08\\x08Bearer t" "$1"
}
# Answers of Kafka brokers, each after the byte that says to which question (scalers/src/kafka/protocol.rs).
kafka() { printf "$2" >"$work/seeds/kafka/$1.bin"; }
kafka versions '\0\0\0\0\0\0\2\0\3\0\0\0\x0c\0\x12\0\0\0\4'
kafka handshake '\1\0\x21\0\0\0\1\0\5PLAIN'
kafka authenticate '\2\0\0\xff\xff\0\0\0\1y\0\0\0\0\0\0\x0b\xb8'
kafka metadata '\3\0\0\0\0\0\0\0\1\0\0\0\1\0\1k\0\0\x23\x84\xff\xff\xff\xff\0\0\0\1\0\0\0\1\0\0\0\1t\0\0\0\0\1\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1'
kafka offsets '\4\0\0\0\0\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x2a'
kafka group '\5\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x2a\xff\xff\0\0\0\0'
kafka coordinator '\6\0\0\0\0\0\0\xff\xff\0\0\0\1\0\1k\0\0\x23\x84'
batch='\0\0\0\0\0\0\0\0\0\0\0\x3d\0\0\0\0\2\0\0\0\0\0\x10\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\1\x16\0\0\2\x08\0\0\0\0\0\0'
kafka fetch '\7\0\0\0\0\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\x49'"$batch"
kafka batch "\\x09$batch"
number=0
while read -r path; do
	http2 "$path" >"$work/seeds/request/http2-$((number += 1)).bin"
done < <(sed -nE 's/^[^ ]*GET ([^ ]{1,100}) HTTP.*/\1/p' fuzz/seeds/request.txt)
grep -rhoE 'Param::[a-z]+\("[A-Za-z]+"' scalers/src | cut -d '"' -f 2 | sort -u | sed 's/.*/"&"\n"&FromEnv"/' >"$work/metadata.dict"
printf '"%s"\n' Europe/London Pacific/Chatham TZ= CRON_TZ= '\x09' 0-59 '*/' MON-FRI JAN-DEC L W '#' '?' >"$work/cron.dict"
grep -hoE '\<row\("[A-Za-z]+"' plan/src/formula/builtins.rs | cut -d '"' -f 2 | sed 's/.*/"&("/' >"$work/formula.dict"
printf '"%s"\n' '#acc' '#index' '{#' '?.' '??' '**' '..' '::' ' in ' 'not ' 'and ' 'let x=' 'if ' '}else{' '$env' nil true \
	startsWith >>"$work/formula.dict"
grep -hoE '^ +[a-z][A-Za-z]+:' crds/yaml/*.yaml | tr -d ' :' | sort -u | sed 's/.*/"\\"&\\":"/' >"$work/review.dict"
printf '"%s"\n' '\"type\":\"cpu\"' '\"Utilization\"' CREATE UPDATE '{}' '[]' null true 1e308 >>"$work/review.dict"
printf '"%s"\n' '\x00\x00\x00\x01' '\xff\xff\xff\xff' '\x7f\xff\xff\xff' >"$work/kafka.dict"
printf '"%s"\n' messages messages_ready message_stats publish_details rate page_count items 1e999 -1 '[]' >"$work/management.dict"
printf '"%s"\n' labelSelector= scaledobject.keda.sh/name %2F %00 ' in (' notin 'Accept: ' 'If-None-Match: ' 'Authorization: Bearer ' \
	'X-Remote-User: ' 'Transfer-Encoding: chunked' 'Content-Length: ' 'HTTP/1.1' '\x0d\x0a' ';as=Table;v=v1;g=meta.k8s.io' \
	'PRI * HTTP/2.0' >"$work/request.dict"
printf '"%s"\n' hunter2 amqp://u:hunter2@ https://u:hunter2@ >>"$work/metadata.dict"

for target in "${targets[@]}"; do
	printf '\n==> fuzzing %s for %s s\n' "$target" "$seconds"
	"$work/bin/$target" "$work/corpus/$target" "$work/seeds/$target" -dict="$work/$target.dict" -max_total_time="$seconds" \
		-timeout=25 -rss_limit_mb=512 -max_len=4096 -print_final_stats=1 -artifact_prefix="$work/found/$target-"
done
