#!/usr/bin/env bash
# Installs Helm 3, Helm 4 and kustomize from their Go modules into target/tools, in the versions named here, where they are not
# there yet. The first time that takes five minutes on two cores.
#
#   deploy/helm/tools.sh          all of them
#   deploy/helm/tools.sh helm4    one of them: helm3, helm4 or kustomize
set -euo pipefail
cd "$(dirname "$0")/../.."

helm3=v3.22.0
helm4=v4.3.1
kustomize=v5.8.1
# The version of Kubernetes that Helm 3 assumes where it asks no cluster. Its own build sets it by these flags, too.
minor=37

# install NAME VERSION MODULE [LDFLAGS]: builds a program as target/tools/NAME-VERSION/NAME.
install() {
	local name=$1 version=$2 module=$3 flags=${4:-}
	local folder=$PWD/target/tools/$name-$version
	[ ! -x "$folder/$name" ] || return 0
	echo "building $name $version"
	rm -rf "$folder.part"
	GOBIN=$folder.part go install -ldflags "-s -w $flags" "$module@$version"
	mv "$folder.part"/* "$folder.part/$name" 2>/dev/null || true
	rm -rf "$folder"
	mv "$folder.part" "$folder"
}

for tool in "${@:-all}"; do
	case $tool in
	all | helm3)
		package=helm.sh/helm/v3/pkg
		install helm3 "$helm3" helm.sh/helm/v3/cmd/helm \
			"-X $package/chartutil.k8sVersionMinor=$minor -X $package/lint/rules.k8sVersionMinor=$minor"
		;;&
	all | helm4) install helm4 "$helm4" helm.sh/helm/v4/cmd/helm ;;&
	all | kustomize) install kustomize "$kustomize" sigs.k8s.io/kustomize/kustomize/v5 ;;&
	all | helm3 | helm4 | kustomize) ;;
	*)
		sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
done

mkdir -p target/tools/bin
# The names that the Makefile and the tests use.
for pair in "helm3-$helm3" "helm4-$helm4" "kustomize-$kustomize"; do
	name=${pair%%-*}
	[ ! -x "target/tools/$pair/$name" ] || ln -sfn "../$pair/$name" "target/tools/bin/$name"
done
