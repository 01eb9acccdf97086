# The whole project through two commands: `make demo` shows it, `make test` checks it. `make help` lists the rest.

SHELL := bash
CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo down test unit e2e soak release-test image image-tools image-test dashboards-test test-ui parity recordings chaos churn losses admission load setup programs bed build demo-programs fmt lint lint-tools mutants mutants-tools bench crds rbac manifests reference docs fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## scale two workloads on a real control plane, live; KEEP=1 leaves everything up (the first time 15 minutes)
	@$(MAKE) --no-print-directory -j2 bed demo-programs
	@KEEP="$(KEEP)" target/release/demo

down: ## end what `make demo KEEP=1` left up
	@target/release/demo down

test: ## everything: formatting, lints, unit tests, end-to-end tests (30 minutes from a fresh clone, 20 after that)
	@tests/run.sh

unit: ## the unit tests alone
	@tests/run.sh unit

e2e: ## the end-to-end tests alone (20 minutes); ONLY=word picks those with it in their names, K8S=1.35 an older Kubernetes
	@tests/run.sh e2e $(ONLY)

image: image-tools ## build the OCI image target/image/ebb.tar with buildah (15 minutes the first time); ARCH=arm64 IMAGE=name:tag
	@IMAGE="$(IMAGE)" ARCH="$(ARCH)" deploy/image/build.sh

image-tools:
	@command -v buildah >/dev/null || tests/debian.sh buildah
	@deploy/image/tools.sh cargo-auditable cargo-cyclonedx

image-test: ## build the image twice, push it to a registry, sign, verify and copy it, and test its program (an hour)
	@tests/image/run.sh

dashboards-test: ## check the dashboards against the types of Grafana's own package (npm fetches 26 MB)
	@tests/grafana/check.sh

SEEDS ?= 30
LOSSES ?= 5
soak: ## the long tests at full size: churn (SEEDS), losses (LOSSES), a thousand ScaledObjects (an hour)
	@SEEDS="$(SEEDS)" LOSSES="$(LOSSES)" tests/run.sh soak

# Lua runs Argo CD's health script; kubeconform reads the JSON Schemas.
release-test: ## chart, manifests, GitOps, schemas, with Helm 3 and 4, kustomize, Lua, kubeconform (10 minutes after their first build)
	@tests/run.sh release

test-ui: ## the page of `ebb ui`: rebuild it, compare with ui/dist, test it in Chromium, also against a real Ebb (npm fetches 60 MB)
	@tests/run.sh ui

CASES ?= tests/parity
parity: programs ## give Ebb the manifests of CASES/in and compare with what KEDA made of them (CASES/observed)
	@target/release/parity "$(CASES)"

recordings: programs ## record what the real HPA controller does, for the model of `ebb simulate` (9 minutes); ONLY=word
	@target/release/recordings $(ONLY)

chaos: programs ## three replicas, a hundred workloads, and faults at random for four minutes of nine (CHAOS_SEED, CHAOS_SECONDS)
	@target/release/chaos

churn: programs ## five hundred edits and ten kills for each of SEEDS=30 seeds, five namespaces side by side (half an hour)
	@CHURN_SEEDS="$(SEEDS)" target/release/churn kills

losses: programs ## five hundred edits while half of Ebb's writes or their answers are lost, for each of SEEDS seeds
	@CHURN_SEEDS="$(SEEDS)" target/release/churn losses

admission: programs ## measure the webhook: 200 creations a second beside 5,000 ScaledObjects (15 minutes)
	@target/release/admission

N ?= 100
KIND ?= rabbitmq
load: programs ## measure N ScaledObjects (100) of KIND rabbitmq, kafka, cron or mixed; PEER="command" beside Ebb; OVER, LISTER (docs/load.md)
	@N="$(N)" KIND="$(KIND)" target/release/load

setup: ## install the Debian packages and fetch the Kafka that the tests need, if they are missing
	@tests/cluster/install.sh
	@tests/cluster/kafka/fetch.sh

programs: setup # the control plane and ebb, built side by side
	@$(MAKE) --no-print-directory -j2 bed build

bed: ## build the control plane (the first time about 10 minutes on two cores)
	@echo "building the control plane (the first time it compiles Kubernetes: about 10 minutes on two cores)"
	@tests/cluster/build.sh

build: ## build ebb and the programs of the tests
	@$(CARGO) build --release --locked --workspace --bins

# All packages are named, so that what else is built later finds the same features of the dependencies.
demo-programs:
	@$(CARGO) build --release --locked --workspace --bin ebb --bin demo --bin rabbitmq-worker

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## formatting, clippy, rustdoc, fuzz targets, spelling, dependencies (where cargo-deny is installed); `make test` leaves out the fuzz targets and dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --release --locked --workspace --no-deps --document-private-items
	@# No other check compiles the fuzz targets: they are a workspace of their own.
	RUSTFLAGS="--cfg fuzzing" $(CARGO) check --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-check
	@tests/lint.sh spelling
	@tests/lint.sh dependencies

lint-tools: ## install cargo-deny, with which `make lint` checks dependencies (it compiles for about ten minutes)
	@tests/lint.sh tools

mutants: ## change what differs from main in plan/, a mutant at a time, and name those that no test notices; SHARD=k/n of the crate
	@if [ -n "$(SHARD)" ]; then tests/mutants.sh shard "$(SHARD)"; else tests/mutants.sh diff $(SINCE); fi

mutants-tools: ## install cargo-mutants, which `make mutants` needs (it compiles for about five minutes)
	@tests/mutants.sh tools

bench: ## measure the core with criterion
	$(CARGO) bench --locked --package ebb

crds: ## write crds/yaml, and the chart's and the manifest's copies, anew from the Rust types
	$(CARGO) run --release --locked --package ebb-crds --example generate-crds
	@$(MAKE) --no-print-directory manifests

rbac: ## write the rights of the kinds of triggers anew, in the chart and the manifest
	$(CARGO) run --release --locked --package ebb --example generate-rbac
	@$(MAKE) --no-print-directory manifests

manifests: ## write deploy/ebb.yaml and deploy/components anew from the Helm chart (the first time it builds Helm: 3 minutes)
	@deploy/helm/tools.sh helm3
	@deploy/generate.sh

reference: ## write the pages of docs/reference anew that follow from the types and the command line
	$(CARGO) run --release --locked --package ebb --example generate-reference

docs: ## build the pages as a site, target/site/index.html, and check its links (the first time mdBook compiles for minutes)
	@docs/site.sh tools
	@docs/site.sh

FOR ?= 60
fuzz: ## fuzz what users write and what comes over the network for a minute in all; FOR=3600 for an hour
	@fuzz/run.sh $$(( $(FOR) / 7 ))
