#!/bin/sh
# Installs the Debian packages that the test bed and the build need and that are not
# there yet.
# Nothing is started: the bed runs its own servers.
set -eu

packages=
# want PACKAGE COMMAND…: the package is wanted if the command fails.
want() {
	package=$1
	shift
	"$@" >/dev/null 2>&1 || packages="$packages $package"
}
want rabbitmq-server test -x /usr/lib/rabbitmq/bin/rabbitmq-server
want prometheus command -v prometheus
# Kafka runs on Java, and Maven fetches it.
want default-jre-headless command -v java
want maven command -v mvn
if [ -z "$packages" ]; then
	echo "install: everything is there"
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "install: no apt-get here; install by hand:$packages" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "install: becoming root with sudo"
	exec sudo "$0"
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

echo "install:$packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# $packages is a list of words.
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $packages
echo "install: done"
