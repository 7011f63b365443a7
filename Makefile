# NetflixAtHome. `make help` lists what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The tools that Go builds for us, by pinned version.
LINT_VERSION := v2.15.0
TOOLS        := $(CURDIR)/.cache/bin
LINT         := $(TOOLS)/golangci-lint-$(LINT_VERSION)

# An npm project is installed when its lock is older than the stamp in node_modules.
NPM     := engines schema/compose web router/playground e2e/browser
STAMPS  := $(NPM:%=%/node_modules/.installed)
npm_ci  = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## List what there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: run
run: machine build ## Fetch, build and start the cinema; print its address
	@exec bin/cinema $(ARGS)

.PHONY: test
test: machine-test ## Everything: lint, generated code, unit tests with -race, end to end in a browser
	@scripts/test

.PHONY: test-real
test-real: ## The adapters and a cluster's story on the real servers, which it fetches and starts
	@scripts/test-real

.PHONY: chaos
chaos: ## Break a cluster piece by piece under load; count what was lost (scripts/chaos full: everything)
	@scripts/chaos

.PHONY: build
build: bin/cinema ## Build bin/cinema and what it needs

.PHONY: lint lint-go
lint: lint-go web/node_modules/.installed ## Lint Go and the SPA
	@npm run --silent --prefix web lint
lint-go: $(LINT)
	@$(LINT) run ./... ./e2e/...

.PHONY: generate
generate: $(STAMPS) ## Make everything that is generated anew
	@go run ./internal/tools/generate
	@go run ./internal/tools/dashboards
	@go run ./internal/tools/permissions
	@node schema/compose/compose.mjs
	@npm run --silent --prefix web codegen

.PHONY: generate-check
generate-check: ## Fail if something generated differs from what is committed
	@scripts/generate-check

.PHONY: bench
bench: build e2e/browser/node_modules/.installed ## Measure the figures that are promised, beside their references
	@scripts/bench

.PHONY: bench-real
bench-real: ## Measure a cluster's figures on the real servers, beside raw ones in the same run
	@scripts/bench-real

.PHONY: e2e
e2e: build e2e/browser/node_modules/.installed ## Play the stories against the built program
	@scripts/e2e

.PHONY: clean
clean: ## Delete what was built; the data folder stays
	@rm -rf bin .cache web/dist/* router/playground/dist/* $(NPM:%=%/node_modules)

.PHONY: machine machine-test
machine:
	@scripts/machine run
machine-test:
	@scripts/machine test

# ---- files ----------------------------------------------------------------

%/node_modules/.installed: %/package-lock.json
	@echo "fetching $*"
	@$(npm_ci) $* && touch $@

GO_SOURCES  := $(shell git ls-files -co --exclude-standard '*.go' '*.sql' '*.json' '*.graphqls' go.mod go.sum 2>/dev/null | grep -vE '^(web|e2e)/')
WEB_SOURCES := $(shell git ls-files -co --exclude-standard web schema/api.graphqls schema/persisted-operations.json 2>/dev/null)
PLAYGROUND_SOURCES := $(shell git ls-files -co --exclude-standard router/playground 2>/dev/null | grep -v '\.go$$')

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	@echo "building the web app"
	@npm run --silent --prefix web build && touch $@

router/playground/dist/index.html: router/playground/node_modules/.installed $(PLAYGROUND_SOURCES)
	@echo "building the playground"
	@npm run --silent --prefix router/playground build && touch $@

bin/cinema: engines/node_modules/.installed web/dist/index.html router/playground/dist/index.html $(GO_SOURCES)
	@echo "building cinema"
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/cinema ./cmd/cinema
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/clickhouse-launcher ./engines/clickhouse/launcher

$(LINT):
	@echo "building golangci-lint $(LINT_VERSION)"
	@mkdir -p $(TOOLS) && GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION) && mv $(TOOLS)/golangci-lint $@
