# The commands a person types. ARGS passes arguments on:
#   make run ARGS="--http-addr 127.0.0.1:9000"
#   make test ARGS="-- batch_create"
#   make bench QUICK=1

.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench chaos hostile soak clients interop web browser contract mesh dashboard test-postgres manifests sbom

# Homebrew installs libpq outside of the PATH. The build finds it by its pg_config; directories that
# don't exist have no effect.
export PATH := $(PATH):/opt/homebrew/opt/libpq/bin:/usr/local/opt/libpq/bin

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the build needs and this machine lacks (never Rust)
	@.ci/setup

run: setup ## Start everything on this machine: Postgres, server and gateway
	@exec cargo run --release --locked --bin caseload -- dev $(ARGS)

test: setup ## Run all tests
	cargo test --workspace --locked $(ARGS)

lint: setup ## Check format, lints, docs and the gRPC contract
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@# With the examples come the dependencies of the tests, which are not checked anew then.
	cargo clippy --workspace --lib --examples --features caseload-gateway/fuzzing,caseload-server/fuzzing --locked -- -D warnings
	@# As the image is built: the programs must declare each feature of a dependency that they use.
	cargo clippy --package caseload --package caseload-gateway --lib --bins --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@.ci/lint-optional

# The programs are built first: the benches run the release builds.
BENCH ?= write_path tasks
bench: setup ## Measure the write path and the calls on tasks against pgbench; QUICK=1 takes two minutes
	cargo build --release --locked --features caseload/plain-writes --bin caseload --bin caseload-gateway
	@for bench in $(BENCH); do \
		cargo bench --locked -p caseload --features plain-writes --bench $$bench -- $(if $(QUICK),--quick) $(ARGS) \
			|| exit; \
	done

MINUTES ?= 3
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
# Evaluates the seed once, not at each use.
chaos: SEED := $(SEED)
chaos: setup ## Inject faults at random, and count what is lost or duplicated; SEED=, MINUTES=
	cargo build --release --locked --bin caseload --bin caseload-gateway
	@exec cargo test --release --locked -p caseload --test chaos -- \
		--seed $(SEED) --minutes $(MINUTES) $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(ARGS)

hostile: SEED := $(SEED)
hostile: setup ## Attack a deployment, and count what others notice; SEED=
	cargo build --release --locked --bin caseload --bin caseload-gateway
	@exec cargo test --release --locked -p caseload --test hostile -- --full --seed $(SEED) $(ARGS)

soak: SEED := $(SEED)
soak: MINUTES = 30
soak: setup ## Load a system for half an hour with a fault a minute, and judge whether anything grows; SEED=, MINUTES=, KEEP=docs
	cargo build --release --locked --bin caseload --bin caseload-gateway
	@exec cargo test --release --locked -p caseload --test soak -- --seed $(SEED) --minutes $(MINUTES) \
		$(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(if $(KEEP),--keep $(abspath $(KEEP))) $(ARGS)

# A debug build is enough to develop the examples and checks.
PROFILE ?= release
clients: setup ## Generate clients from the contracts into target/clients, and run the examples of docs/clients; PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) -p caseload --bin caseload --example create_tasks
	@.ci/clients target/$(PROFILE)/caseload target/$(PROFILE)/examples/create_tasks

# The time of imports is limited in release builds only.
interop: SEED := $(SEED)
interop: setup ## Have clients that are not ours drive a system; QUICK=1, SEED=, PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload --bin caseload-gateway
	@exec .ci/interop target/$(PROFILE)/caseload --seed $(SEED) $(if $(QUICK),--rows 2000) \
		$(if $(filter release,$(PROFILE)),--import-limit 60) $(ARGS)

contract: SEED := $(SEED)
contract: setup ## Have schemathesis judge what is served by the OpenAPI document; QUICK=1, SEED=, PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload
	@exec .ci/contract target/$(PROFILE)/caseload --seed $(SEED) $(if $(QUICK),--examples 5) $(ARGS)

web: setup ## Call a server with the clients of gRPC-Web and Connect from npm; PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload
	@exec .ci/web target/$(PROFILE)/caseload

browser: setup ## Have Chromium try the reference at /docs, and pages call the server; PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload
	@exec .ci/browser --install target/$(PROFILE)/caseload

# How long each check disturbs the traffic.
SECONDS ?= 6
mesh: SEED := $(SEED)
mesh: setup ## Put Envoy and nginx before the programs, and disturb them; SECONDS=, SEED=, PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload --bin caseload-gateway
	@.ci/mesh target/$(PROFILE)/caseload --seed $(SEED) --seconds $(SECONDS) $(ARGS)
	$(if $(ARGS),,cargo test --locked $(if $(filter release,$(PROFILE)),--release) -p caseload --test chaos -- \
		--seed $(SEED) --minutes 0.5 --envoy $(CURDIR)/target/mesh/envoy)

dashboard: setup ## Have Prometheus scrape a loaded system, and each panel of the dashboard show data; PROFILE=debug
	cargo build --locked $(if $(filter release,$(PROFILE)),--release) --bin caseload --bin caseload-gateway
	@exec .ci/dashboard target/$(PROFILE)/caseload $(ARGS)

test-postgres: setup ## Run the tests of the database on Postgres 14 to 18, and behind PgBouncer; VERSIONS="16 17"
	@exec .ci/postgres $(VERSIONS)

manifests: ## Render deploy/kubernetes, and check it against the schemas; ARGS=--write updates the rendered files
	@exec .ci/manifests $(ARGS)

sbom: setup ## Write the bills of materials of both programs into target/sbom, as CycloneDX
	@exec .ci/sbom
