# The one entry point: people and the build machine call the same targets.
CARGO ?= cargo
SEEDS ?= 1000
CHAOS_SECONDS ?= 30
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
# A Kafka whose collector does not stop it: else every p99 would tell of that, and of little else.
BENCH := KAFKA_GC=-XX:+UseZGC scripts/services.sh run --

.PHONY: help demo test check sim fuzz bench bench-quick bench-growth instructions latency chaos services-up services-down

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done

demo: ## the whole pipeline in one process, nothing to install
	$(CARGO) run --release --locked -- demo

test: ## every test, the integration tests on a Kafka and a Redis of their own
	scripts/test.sh

check: ## formatting, lints, the rules of the tree and its pages, licences and advisories
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) test --locked --test tidy --test docs --test deploy
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check; \
	else echo "!! cargo-deny is not installed: licences and advisories were not checked (cargo install --locked cargo-deny)"; fi

sim: ## the simulation over SEEDS=1000 seeds
	SESSIONGATE_SIM_SEEDS=$(SEEDS) $(CARGO) test --locked --test simulation -- --nocapture

fuzz: ## random and mutated bytes through every decoder, FUZZ_SECONDS=60 or FUZZ_BYTES=100000000
	$(if $(FUZZ_BYTES),SESSIONGATE_TEST_FUZZ_BYTES=$(FUZZ_BYTES),SESSIONGATE_TEST_FUZZ_SECONDS=$(FUZZ_SECONDS)) \
		$(CARGO) test --locked --test fuzz -- --nocapture

bench: ## the worker beside a bare passthrough, three times each; writes docs/benchmarks.md
	$(BENCH) $(CARGO) bench --locked --bench comparison

bench-quick: ## a short look at the same; writes target/benchmarks.md
	BENCH_EVENTS=1000000 BENCH_ROUNDS=1 BENCH_SECONDS=5 BENCH_REPORT=target/benchmarks.md \
		$(BENCH) $(CARGO) bench --locked --bench comparison

bench-growth: ## what an event costs as windows, partitions, texts grow; writes docs/benchmarks-growth.md
	BENCH_ONLY=growth $(BENCH) $(CARGO) bench --locked --bench comparison

instructions: ## what decoding, deciding and encoding cost, in instructions a record (needs valgrind)
	$(CARGO) bench --locked --bench steps -- instructions

latency: ## the latencies of the same alone, at BENCH_RATES=2000,10000; writes target/latency.md
	BENCH_ONLY=latency BENCH_REPORT=target/latency.md $(BENCH) $(CARGO) bench --locked --bench comparison

chaos: ## kill, stop and flush everything under traffic, CHAOS_SECONDS=30 each; prints what came out
	CHAOS_SECONDS=$(CHAOS_SECONDS) scripts/chaos.sh

services-up: ## Kafka and Redis on 127.0.0.1 (KAFKA_PORT=9092 REDIS_PORT=6379), left running
	scripts/services.sh up

services-down: ## stop them
	scripts/services.sh down
