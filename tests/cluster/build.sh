#!/bin/sh
# Builds ebb-bed into target/testbed/bin. The first build compiles Kubernetes and
# takes about ten minutes on two cores; after that it is a matter of seconds.
#
# K8S=1.35 builds the control plane of that version, beside the other, as
# ebb-bed-1.35. It has no external metrics API to compare Ebb with: its library
# has no release for that version.
set -eu
cd "$(dirname "$0")"

case ${K8S:-1.37} in
1.37) modules=go.mod tags= program=ebb-bed ;;
1.35) modules=kubernetes-1.35.mod tags=kubernetes135 program=ebb-bed-1.35 ;;
*)
	echo "build: K8S=$K8S: the versions are 1.37 and 1.35" >&2
	exit 2
	;;
esac

# Without this the servers call themselves v0.0.0, and clients that ask for a
# minimum version, such as Helm, refuse them.
version=$(go list -modfile "$modules" -m -f '{{.Version}}' k8s.io/kubernetes)

# -s and -w leave the debugging tables out: that halves the program and the time
# to link it.
exec go build -modfile "$modules" -tags "$tags" \
	-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
	-o "../../target/testbed/bin/$program" .
