#!/bin/sh
# Installs these Debian packages, as root or with sudo. Nothing is started: the tests run servers of their own.
#
#   tests/debian.sh PACKAGE…
set -eu
if ! command -v apt-get >/dev/null; then
	echo "install: no apt-get here; install by hand: $*" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "install: becoming root with sudo"
	exec sudo "$0" "$@"
fi

# Debian starts a service as soon as it is installed, unless this policy says 101.
policy=/usr/sbin/policy-rc.d
saved=
if [ -e "$policy" ] || [ -L "$policy" ]; then
	saved=$policy.before-ebb-bed
	mv "$policy" "$saved"
fi
restore() {
	rm -f "$policy"
	[ -z "$saved" ] || mv "$saved" "$policy"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod +x "$policy"

echo "install: $*"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
echo "install: done"
