# SPDX-License-Identifier: Apache-2.0
# What a person or CI runs. Needs Go only; see `make help`.
.DEFAULT_GOAL := help
.PHONY: help build demo test race bench lint fuzz clean

GO ?= go
# The linter is pinned and built from the module proxy into ./bin: its 300
# dependencies stay out of go.mod.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
FUZZTIME ?= 10s
BENCH ?= .
BENCHTIME ?= 3x
# Packages whose code or tests run goroutines beside each other. Of store only
# the conformance suite: the crash and tamper tests run other processes.
RACE ?= ./collect/... ./inventory/... ./check/... ./ledger/... ./work/... ./cmd/...

# What repeats the same code thousands of times, or runs other processes, shows
# the race detector nothing new and takes it ten times as long.
RACESKIP := ^(TestMatrix|TestMatrixControls|TestKilledCollection|TestJoinHiding)$$

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/'

build: ## build bin/tickmark, the same bytes from the same source
	$(GO) build -trimpath -buildvcs=false -o bin/tickmark ./cmd/tickmark

demo: build ## the main job on examples/: assess, record, verify, reperform
	./examples/demo.sh bin/tickmark

test: ## all tests; the independent verifier too, where python3 is
	$(GO) test ./...
	@if ! command -v python3 >/dev/null 2>&1; then echo "verify.py: not run, there is no python3"; \
	elif [ ! -e doc/spec/verify.py ]; then echo "verify.py: not run, there is none"; \
	else $(MAKE) --no-print-directory verifypy; fi

# The second verifier, in another language, over a fresh data directory.
.PHONY: verifypy
verifypy: build
	@set -eu; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	bin/tickmark init "$$tmp/data" --organisation Example --sample >/dev/null; \
	bin/tickmark assess examples/acme --record --dir "$$tmp/data" >/dev/null; \
	bin/tickmark ledger head --dir "$$tmp/data" >"$$tmp/head"; \
	python3 doc/spec/verify.py "$$tmp/data" --head "$$tmp/head"

race: ## the tests of the concurrent packages under the race detector
	$(GO) test -race -timeout 20m -skip '$(RACESKIP)' $(RACE)
	$(GO) test -race -timeout 20m -run '^TestSQLite$$' ./store

bench: ## the benchmarks, with the machine and the ratios side by side
	@GO="$(GO)" ./.ci/bench "$(BENCH)" "$(BENCHTIME)"
	cd bench && $(GO) run .

.PHONY: scale matrix
scale: build ## collect 100,000 resources of a simulated Azure: time, memory, requests
	@.ci/scale bin/tickmark

# The published figures: some ten thousand requests a minute for half an hour.
matrix: ## every fault on every kind of question, and a hundred kills
	$(GO) test ./work -run '^(TestMatrix|TestKilledCollection|TestCanaries)$$' -v -timeout 120m -matrix=all -kills=100

lint: $(GOLANGCI) ## gofmt, go vet and golangci-lint
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet ./...
	$(GOLANGCI) run --timeout 20m

$(GOLANGCI):
	@mkdir -p bin
	GOBIN="$(CURDIR)/bin" $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

fuzz: ## every fuzz target for FUZZTIME (10s)
	@GO="$(GO)" ./.ci/fuzz "$(FUZZTIME)"

clean: ## remove what was built
	rm -rf bin
