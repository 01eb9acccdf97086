#!/bin/sh
# Builds ebb-bed into target/testbed/bin. The first build compiles Kubernetes and
# takes about ten minutes on two cores; after that it is a matter of seconds.
set -eu
cd "$(dirname "$0")"

# Without this the servers call themselves v0.0.0, and clients that ask for a
# minimum version, such as Helm, refuse them.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)

# -s and -w leave the debugging tables out: that halves the program and the time
# to link it.
exec go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
	-o ../../target/testbed/bin/ebb-bed .
