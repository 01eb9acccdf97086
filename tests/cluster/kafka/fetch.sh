#!/bin/sh
# Copies Kafka's jars from Maven Central into target/testbed/kafka: 55 MB, about ten
# seconds. It does nothing when they are there.
set -eu
cd "$(dirname "$0")"
target=$(cd ../../.. && pwd)/target/testbed
version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' pom.xml)

if [ -e "$target/kafka/kafka_2.13-$version.jar" ]; then
	echo "kafka: $version is there"
	exit 0
fi
echo "kafka: fetching $version"
# Into a folder of its own first, so that what was cut short is not taken for whole.
rm -rf "$target/kafka" "$target/kafka.new"
mvn --batch-mode --quiet dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$target/kafka.new"
mv "$target/kafka.new" "$target/kafka"
