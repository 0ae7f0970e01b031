# vestibule. `make demo` shows it, `make test` proves it, `make bench` times it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# What the tests drive, as command:Debian package.
PROGRAMS := redis-server:redis-server nginx:nginx-light chromium:chromium certutil:libnss3-tools sipp:sip-tester baresip:baresip-core svmap:sipvicious ip:iproute2 nft:nftables
# Modules of ours; the demo has its own, so that LiveKit stays out of go.mod.
MODULES := . deploy/demo
TOOL := go tool -modfile='$(CURDIR)/tools/go.mod'
# Arguments of `make demo`, and which benchmarks `make bench` runs how often.
ARGS ?=
BENCH ?= .
COUNT ?= 1

# A clone that belongs to somebody else has no version to stamp; git says so
# with an error that stops the build.
export GOFLAGS ?= -buildvcs=false

say = @printf '\n==> %s\n' "$(1)"

.PHONY: help
help:
	@echo "make demo        one process with everything in it, on localhost (ARGS='--listen 127.0.0.1:8443')"
	@echo "make demo-build  the same, built only: bin/vestibule-demo"
	@echo "make build       the product: bin/vestibule"
	@echo "make test        everything: formatting, lint, unit tests with the race detector, e2e"
	@echo "make unit        the unit tests of every module alone"
	@echo "make e2e         the product against real programs alone"
	@echo "make lint        formatting, golangci-lint and go vet of every module"
	@echo "make bench       the benchmarks (BENCH=regexp COUNT=n)"
	@echo "make threats     the table of docs/THREATS.md, from the tests in the tree"
	@echo "make prompts     record again what the phone door says (espeak-ng, sox)"
	@echo "make vuln        known vulnerabilities in what is linked (asks vuln.go.dev)"
	@echo "make deps        the programs that the tests drive"

.PHONY: deps
deps:
	$(call say,programs the tests drive)
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 from https://go.dev/dl"; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 (Debian: apt-get install nodejs npm)"; exit 1; }
	@missing=; for p in $(PROGRAMS); do PATH="$$PATH:/usr/sbin" command -v "$${p%%:*}" >/dev/null || missing+=" $${p#*:}"; done; \
	if [ -z "$$missing" ]; then echo "all here"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	else echo "missing: run  sudo apt-get install$$missing"; exit 1; fi

# The room page is built from the lock file and embedded; Go does not compile
# without it.
.PHONY: room
room: web/room/node_modules/.package-lock.json
	$(call say,room page)
	cd web/room && npm run --silent build

web/room/node_modules/.package-lock.json: web/room/package-lock.json
	$(call say,room page: npm ci)
	cd web/room && npm ci --no-audit --no-fund
	@touch $@

# What the tests of package web read the door's pages with.
.PHONY: axe
axe: web/axe/node_modules/.package-lock.json

web/axe/node_modules/.package-lock.json: web/axe/package-lock.json
	$(call say,axe: npm ci)
	cd web/axe && npm ci --no-audit --no-fund
	@touch $@

# The certified provider that the e2e tests sign in at, and what checks OpenAPI.
.PHONY: op
op: e2e/provider/node_modules/.package-lock.json

e2e/provider/node_modules/.package-lock.json: e2e/provider/package-lock.json
	$(call say,provider: npm ci)
	cd e2e/provider && npm ci --no-audit --no-fund
	@touch $@

.PHONY: build
build: room
	$(call say,bin/vestibule)
	CGO_ENABLED=0 go build -trimpath -o bin/vestibule ./cmd/vestibule

.PHONY: demo-build
demo-build: room
	$(call say,bin/vestibule-demo (with a whole LiveKit server inside: the first build takes about two minutes))
	cd deploy/demo && go build -o '$(CURDIR)/bin/vestibule-demo' ./cmd/vestibule-demo

.PHONY: demo
demo: demo-build
	@exec bin/vestibule-demo $(ARGS)

.PHONY: lint
lint: room
	$(call say,formatting: gofumpt)
	@wrong=$$(find . \( -name node_modules -o -name bin \) -prune -o -name '*.go' -print0 | xargs -0 $(TOOL) gofumpt -l); \
	if [ -n "$$wrong" ]; then echo "not formatted; run gofumpt -w on:"; echo "$$wrong"; exit 1; fi
	@for m in $(MODULES); do \
	  printf '\n==> lint of %s: golangci-lint, go vet\n' "$$m"; \
	  (cd "$$m" && $(TOOL) golangci-lint run --config '$(CURDIR)/.golangci.yml' ./... && go vet ./...); \
	done

# -p 2: more would only let the race detector's memory add up.
.PHONY: unit
unit: room axe
	@for m in $(MODULES); do \
	  printf '\n==> tests of %s: race detector on, order shuffled\n' "$$m"; \
	  (cd "$$m" && go list ./... | grep -v '^vestibule/e2e' | xargs go test -race -shuffle=on -p 2 -timeout 10m); \
	done
	$(call say,tests of ten thousands of steps: without the race detector, which would take minutes)
	go test -run 'TestT39|TestT44' ./lobby
	go test -run 'TestT10TimesTellNothing|TestT19NoWayOut|TestT61AbandonedWaiters' ./gateway
	$(call say,a hundred expulsions from a running meeting, timed without the race detector)
	cd deploy/demo && go test -run TestT37HundredExpelled -v ./sfu

.PHONY: e2e
e2e: deps axe op build demo-build
	$(call say,e2e: the product against real browsers, redis-server, LiveKit and an identity provider)
	VESTIBULE='$(CURDIR)/bin/vestibule' VESTIBULE_DEMO='$(CURDIR)/bin/vestibule-demo' go test -race -shuffle=on -p 1 -timeout 20m ./e2e/...
	$(call say,e2e: a minute of noise at the relay)
	VESTIBULE_FUZZ=60s go test -race -run TestT46 -v -timeout 5m ./turn

.PHONY: test
test:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory e2e
	$(call say,all of it passed)

.PHONY: bench
bench: room
	@$(MAKE) --no-print-directory deps PROGRAMS='redis-server:redis-server turnserver:coturn nginx:nginx-light caddy:caddy'
	@$(MAKE) --no-print-directory bin/oauth2-proxy
	$(call say,benchmarks)
	@mkdir -p bin
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -p 1 -timeout 20m ./... | tee bin/bench.txt
	$(call say,benchmarks with a whole LiveKit server: its first build takes about two minutes)
	(cd deploy/demo && go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -p 1 -timeout 20m ./sfu/) | tee -a bin/bench.txt
	$(TOOL) benchstat bin/bench.txt

# A peer of the benchmarks that Debian does not have.
bin/oauth2-proxy: tools/oauth2-proxy/go.mod
	$(call say,bin/oauth2-proxy)
	go build -C tools/oauth2-proxy -o '$(CURDIR)/bin/oauth2-proxy' github.com/oauth2-proxy/oauth2-proxy/v7

# What the phone door says, recorded by a machine and committed, so that a
# build needs none of this (Debian: apt-get install espeak-ng sox).
.PHONY: prompts
prompts:
	go test -run TestEveryPromptIsRecorded ./dialin/prompts -update

.PHONY: vuln
vuln: room
	@for m in $(MODULES); do (cd "$$m" && $(TOOL) govulncheck ./...); done

# Writes the tests that prove each threat into docs/THREATS.md.
.PHONY: threats
threats:
	go test -run TestThreatsListTheirTests -update .

.PHONY: clean
clean:
	rm -rf bin web/room/dist
