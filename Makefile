# make demo and make test are all that a new machine needs; each installs what
# it lacks (Debian packages as root, npm packages, Go modules) and says so.

.DEFAULT_GOAL := help
.PHONY: help demo build generated ui test quick lint fmt eval chaos bench third-party

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## hub, agent, a healthy and two leaky services; open the page it prints
	bin/memwatch-hub demo

build: ## the programs, static, into bin/
	@test -x bin/memwatch-hub || echo "Building the programs. The first time fetches and compiles all modules, which takes a minute or two."
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/ ./cmd/... ./examples/leaky

ui: ## build the dashboard into ui/dist (Node; go build does not need it)
	cd ui && npm ci --no-fund --no-audit && npm run build

generated: ## write anew what is made from the code: man pages, schemas, docs/configure.md, OpenAPI
	go test ./cmd/memwatchd ./cmd/memwatch-hub ./capture ./config ./hub/api -count=1 -run Fresh -update

test: ## everything CI runs
	scripts/test

quick: ## vet and the Go tests, for the minutes between edits
	go vet ./... && go test ./...

lint: ## gofumpt, vet and golangci-lint
	scripts/test lint

fmt: ## format the Go code
	scripts/test fmt

eval: ## compare the detector with the usual rules; writes docs/detection.md
	go run ./eval

chaos: ## kill, cut, fill and set back everything for some minutes; counts what is lost (0) and doubled (0)
	go test ./e2e -run '^TestChaos$$' -count=1 -v -timeout 40m -chaos.long

bench: ## measure cost beside peers; writes docs/benchmarks.md
	go run ./bench

third-party: build ## watch a real nats-server and etcd for MINUTES (10)
	scripts/test setup
	cd e2e/thirdparty && go build -o ../../bin/thirdparty/ tool
	cd e2e/browser && node --test --test-timeout=3600000 thirdparty.mjs
