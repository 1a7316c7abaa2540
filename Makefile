GO ?= go

.PHONY: demo test build lint docs shots deps check-build crash crash-nodes crash-proof power mutants bench fuzz dist

# One payment, from login to delivered event, on this machine alone.
demo:
	$(GO) run ./cmd/caddy pay demo

# The race detector watches our own code and what it calls; SQLite is machine-made from C, and crawls under it.
RACE = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false

# What runs without the race detector is compiled as xcaddy and the release do it, and so only once.
PLAIN = CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) -trimpath"

# Those that take longest, longest first, so that none of them is left to the end, when nothing else is there to do beside it.
LONG = ./test ./caddymodule ./relay ./handlers ./ledger/sqlite/file ./console ./ledger/sqlite ./test/power ./test/crash

# Everything that has to hold: formatting, vet, staticcheck, all tests with the race detector, a little fuzzing, and the xcaddy build.
# Many packages wait more than they compute, so one more than there are processors are tested at a time. lint has vetted all of them before.
test: deps lint
	$(GO) test $(RACE) -vet=off -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -timeout 20m $(LONG) ./...
	$(PLAIN) $(MAKE) fuzz FUZZTIME=20000x GUIDE=
	$(MAKE) check-build

# Caddy with this module, as xcaddy.json says, into ./caddy.
build:
	$(GO) run scripts/xcaddy.go caddy

# What is released, into dist/: binaries, packages, what they are made of, and SHA256SUMS. TARGETS=linux/amd64,… names some systems alone.
dist:
	$(GO) run packaging/dist.go $(if $(TARGETS),-targets $(TARGETS))

check-build: build
	@for module in pay http.handlers.pay http.handlers.pay_sandbox http.handlers.pay_console http.authentication.providers.wechat http.matchers.pay_paid; do \
		./caddy list-modules | grep -qx "$$module" || { echo "the built binary lacks the module $$module"; exit 1; }; \
	done
	@echo "ok  	the xcaddy build has all modules"

lint:
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; fi
	$(PLAIN) $(GO) vet ./...
	$(PLAIN) $(GO) tool staticcheck ./...

# What is made from the source: the references, channels, the picture of the packages, OpenAPI. It fails where a translation is older than what it translates; the
# tests fail where this was not run.
docs:
	$(GO) generate .

# The pictures that the pages show, taken by the tests that open those pages. It takes some minutes.
shots:
	$(GO) run scripts/shots.go

# Kills, reloads, full and failing disks and the like while events arrive, N kills long; SEED=… replays a plan. Then as many disks that fail the ledger alone.
N ?= 200
crash:
	$(GO) run ./test/crash -n $(N) $(if $(SEED),-seed $(SEED))
	[ "$$(uname)" != Linux ] || CRASH_FAULTS=$(N) $(GO) test -count=1 -timeout 60m -run 'TestFaults|TestPowerFails' ./ledger/sqlite/file

# Three Caddys in front of one PostgreSQL, while RATE events a second arrive for SPAN: nodes are killed, stopped and reloaded, the database is restarted and
# the network between them fails. SEED=… replays a plan.
SPAN ?= 60s
crash-nodes: RATE = 500
crash-nodes:
	CRASH_NODES=$(SPAN) CRASH_RATE=$(RATE) CRASH_SEED=$(SEED) $(GO) test -count=1 -v -timeout 60m -run '^TestNodes$$' ./test/crash

# That crash and power would notice: each deliberate bug, planted in a build of its own, makes them fail.
crash-proof:
	CRASH_PROOF=1 $(GO) test -count=1 -v -run TestPlanted ./test/crash ./test/power

# The power fails, at N moments of a recorded run, and the ledger is opened from what the disk may hold then; SEED=… RECORD=… shows it again. Linux only.
power: N = 1000
power:
	$(GO) run ./test/power -n $(N) $(if $(SEED),-seed $(SEED)) $(if $(RECORD),-record $(RECORD))

# Small changes to the code that decides over money, one at a time: which of them does no test notice? N=… SEED=… tries a sample, ONLY=… those whose
# file, function or change fits a pattern, and MOST=3s is a first look, with no more tests of each than take so long. An interrupted run goes on where it
# was. test/mutants/survivors.txt names those that may survive, and why.
mutants: N = 0
mutants:
	$(GO) run ./test/mutants -n $(N) $(if $(SEED),-seed $(SEED)) $(if $(ONLY),-only '$(ONLY)') $(if $(WORKERS),-workers $(WORKERS)) $(if $(MOST),-most $(MOST))

# Every fuzz target for FUZZTIME, or so many inputs (20000x): what parses outside bytes must never panic. A package is linked once for all of its targets. One that fails is run
# again: an input that it found is in its corpus then and fails at once, while Go before 1.27 now and then takes the end of FUZZTIME itself for a failure
# (go.dev/issue/75804). GUIDE= is for a short look, without what tells one input from another by the code that it reaches: to build all of Caddy with that takes
# longer than the fuzzing.
FUZZTIME ?= 30s
GUIDE = -fuzz .
fuzz:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	for package in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u); do \
		$(GO) test -c $(GUIDE) -o "$$dir/fuzz" ./$$package || exit 1; \
		found="$$($(GO) env GOCACHE)/fuzz/$$($(GO) list ./$$package)"; \
		(cd $$package && for target in $$("$$dir/fuzz" -test.list '^Fuzz'); do \
			echo "$$package $$target"; \
			fuzz="$$dir/fuzz -test.run ^$$ -test.fuzz ^$$target\$$ -test.fuzztime $(FUZZTIME) -test.fuzzcachedir $$found"; \
			$$fuzz || $$fuzz || exit 1; \
		done) || exit 1; \
	done

# How fast it is, beside what it could cost at best (docs/performance.md). BENCH_TIME, BENCH_ROWS, BENCH_PENDING, BENCH_JSON.
bench:
	$(GO) run ./test/bench

# What the tests need beside Go: a C compiler for the race detector, Node.js and npm for the conformance tests, PHP and php-fpm for the scripts
# of docs/backend.md, with Python and a JDK for the shops of examples, PostgreSQL and PgBouncer for the ledger, Chromium for the pages, spin for the
# model, promtool for the alerts, strace and openssl.
deps:
	@sh scripts/deps.sh
