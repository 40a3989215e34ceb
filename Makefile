# make run        build and serve on 127.0.0.1:5000, data in ./gatekey-data
# make test       everything that CI runs
# make bench      what a request costs beside nginx and the other loop, what a storm of logins costs; some minutes
# make siege      ten minutes of all hazards at once beside good clients, who must lose nothing (SIEGE_SECONDS)
# make slowhttp   slowhttptest and nmap against it, seven minutes
# make footprint  binary size, idle memory, start-up time
# make fuzz       each fuzz target for FUZZ_SECONDS=60 (a nightly compiler, cargo-fuzz)
# make doc        the library's documentation, as a book

CARGO = cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: run build test fmt lint doc features examples tools tests bench siege slowhttp footprint fuzz clean

run: build
	target/release/gatekey serve $(ARGS)

build:
	$(CARGO) build --locked --release

# In the order of how soon each tells that something is wrong.
test: fmt lint features doc tools tests examples
	@tests/skipped.sh

fmt:
	$(CARGO) fmt --check
	rustfmt --check fuzz/fuzz_targets/*.rs --edition 2024

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings

# Each step of the chain, which is each feature alone, since each holds those before; and the token tier's own
# tests, since it is no_std.
FEATURES = "" std password store routes tiny-http strict cli
features:
	for feature in $(FEATURES); do \
	  $(CARGO) clippy --locked --lib --bins --no-default-features --features "$$feature" -- -D warnings || exit 1; \
	done
	$(CARGO) test --locked --quiet --lib --no-default-features

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# What the tests need besides Rust: curl, fail2ban, promtool, and Python packages in virtual environments under target/.
tools:
	-@tests/tools.sh

tests:
	@rm -f target/skipped-tests.txt
	$(CARGO) test --locked

examples:
	$(CARGO) run --locked --quiet --example token --no-default-features
	$(CARGO) run --locked --quiet --example embed

bench: build
	@bench/tools.sh wrk nginx
	@bench/run.py target/release/gatekey

# The five seconds of it in `make test` are of the debug build.
SIEGE_SECONDS ?= 600
siege:
	SIEGE_SECONDS=$(SIEGE_SECONDS) $(CARGO) test --locked --release --test it good_clients_lose_nothing_in_a_siege -- --nocapture

slowhttp: build
	@bench/tools.sh slowhttptest nmap
	@bench/slowhttp.sh target/release/gatekey

footprint: build
	@bench/footprint.sh target/release/gatekey

# The properties that `make test` tries for a few seconds, for longer and with a fuzzer that sees which code runs.
FUZZ_SECONDS = 60
fuzz:
	@fuzz/run.sh $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
