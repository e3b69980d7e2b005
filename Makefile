# The commands of this project. Each sets up what it needs and no more (scripts/setup.sh).
MODEL ?= models/demo
GLIMT := build/glimt

.DEFAULT_GOAL := help
.PHONY: help setup build run serve test test-agents oracle eval bench lint format cuda dist deb wheel clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install what is missing and build build/glimt
	@scripts/setup.sh

build: ## the same with the tests
	@scripts/setup.sh --tests

run: setup ## chat with the demo model (MODEL=folder for another)
	@$(GLIMT) run $(MODEL)

serve: setup ## the HTTP server with the demo model, for agents, SDKs and editors (MODEL=folder for another)
	@$(GLIMT) serve $(MODEL)

test: build ## every test
	@scripts/test.sh

test-agents: build ## Claude Code, Codex and opencode from npm (1.2 GB) against the server
	@scripts/test_agents.sh

oracle: setup ## compare what `glimt convert` makes with mlx_lm.convert, byte for byte (MODEL=folder for another)
	@scripts/oracle.sh $(MODEL)

eval: setup ## measure the demo model on its 500 held-out questions
	@$(GLIMT) eval $(MODEL) models/demo/eval/questions.jsonl

bench: ## tokens per second of the demo model (MODEL=folder for another), then of the kernels
	@scripts/setup.sh --bench
	@scripts/bench.sh $(MODEL)

lint: ## formatting, clang-tidy, clippy, shellcheck
	@scripts/setup.sh --lint
	@scripts/lint.sh

format: ## rewrite the sources in the project's format
	@scripts/setup.sh --lint --no-build
	@scripts/lint.sh --fix-format

cuda: setup ## compile our CUDA kernels (needs no GPU) and build them into build/glimt
	@scripts/gpu/compile_kernels.sh
	@scripts/setup.sh

dist: ## dist/glimt-VERSION-linux-ARCH.tar.gz, which runs without Python; tested in an empty root
	@scripts/setup.sh --dist
	@scripts/dist.sh
	@scripts/test_dist.sh

deb: setup ## dist/glimt_VERSION_ARCH.deb, with unit, man pages, completions; installed into an empty root
	@scripts/setup.sh --dist
	@scripts/dist.sh
	@scripts/deb.sh
	@scripts/test_deb.sh

wheel: setup ## dist/glimt-VERSION-….whl for pip, on the wheels of MLX; installed into a new environment
	@scripts/setup.sh --dist
	@scripts/dist.sh
	@scripts/wheel.sh
	@scripts/test_wheel.sh

clean: ## remove what was built (not .venv)
	rm -rf build build-* dist .cache
