#!/usr/bin/env bash
# Rebuilds the page of `ebb ui` and fails if ui/dist differs from it; then checks types, unit tests and browser tests.
#
#   ui/test.sh             all of it
#   ui/test.sh build       builds ui/dist anew
#   ui/test.sh pictures    writes docs/pictures anew
set -euo pipefail
cd "$(dirname "$0")"

# Programs that are missing come from Debian.
missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ -e "${CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
if ! fc-list 2>/dev/null | grep -q DejaVu; then missing+=(fonts-dejavu-core fontconfig); fi
[ ${#missing[@]} -eq 0 ] || ../tests/debian.sh "${missing[@]}"

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules/.package-lock.json
fi
mkdir -p target

case "${1:-test}" in
build) exec npm run --silent build ;;
pictures)
	npm run --silent build
	npm run --silent build -- tests
	SHOTS=../docs/pictures node --test --test-reporter=dot target/browser/shots.test.mjs
	command -v pngquant >/dev/null || ../tests/debian.sh pngquant
	pngquant --force --ext .png --speed 1 --quality 70-95 ../docs/pictures/*.png
	;;
test)
	rm -rf target/committed
	cp -r dist target/committed
	npm run --silent build
	if ! diff -rq target/committed dist; then
		rm -rf dist && mv target/committed dist
		echo "ui: ui/dist is not what ui/src makes: run ui/test.sh build, and commit ui/dist" >&2
		exit 1
	fi
	npm run --silent check
	npm run --silent unit
	npm run --silent browser
	;;
*)
	sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
