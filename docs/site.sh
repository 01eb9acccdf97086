#!/usr/bin/env bash
# Builds the pages as a site with mdBook, target/site/index.html, and checks that every link in it leads somewhere. The pages keep
# their places relative to each other, so that the links between them are the same in the repository and in the site.
#
#   docs/site.sh          builds the site
#   docs/site.sh tools    installs mdBook into target/tools, if it is not there: compiling it takes minutes
set -euo pipefail
cd "$(dirname "$0")/.."

mdbook_version=0.5.4
tools=$PWD/target/tools
source=target/site-source/source

mdbook() {
	if [ "$("$tools/bin/mdbook" --version 2>/dev/null)" = "mdbook v$mdbook_version" ]; then
		"$tools/bin/mdbook" "$@"
	else
		echo "site: mdbook $mdbook_version is not installed: docs/site.sh tools" >&2
		return 1
	fi
}

# copy PATH…: the files of the repository below these paths, at the same place in the source of the site.
copy() {
	git ls-files --cached --others --exclude-standard -z -- "$@" | xargs -0 cp --parents --target-directory "$source"
}

case ${1:-} in
tools)
	[ "$("$tools/bin/mdbook" --version 2>/dev/null)" = "mdbook v$mdbook_version" ] ||
		"${CARGO:-cargo}" install --locked --root "$tools" --version "$mdbook_version" --no-default-features --features search mdbook
	;;
'')
	rm -rf target/site-source target/site
	mkdir -p "$source"
	copy '*.md' deploy docs/pictures crds/yaml benches/load/ebb.sh LICENSE ':!deploy/helm/ebb/templates' ':!tests/*/*'
	cp docs/book.toml target/site-source/
	# mdBook looks for the contents at the top of its source; there, the pages are in docs/.
	sed -E 's|\]\(\.\./|](@|; s|\]\(([^@])|](docs/\1|; s|\]\(@|](|' docs/SUMMARY.md >"$source/SUMMARY.md"
	mdbook build target/site-source
	python3 docs/links.py target/site
	echo "site: target/site/index.html"
	;;
*)
	sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
