#!/bin/sh
# Installs the Debian packages that the test bed and the build need and that are not
# there yet.
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
# $packages is a list of words.
# shellcheck disable=SC2086
exec "$(dirname "$0")/../debian.sh" $packages
