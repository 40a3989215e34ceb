# make run        build and serve on 127.0.0.1:5000, data in ./gatekey-data
# make test       the checks for every change
# make test-all   the slow checks: the package, and the integration tests and the siege against the shipped binary
# make bench      what requests and logins cost beside nginx, the article's stack and PocketBase, with up to a million users, into
#                 bench/results; a quarter of an hour (PARTS="tokens storm": only these; BENCH_QUICK=1: one short run of each)
# make siege      ten minutes of all hazards at once beside good clients, who must lose nothing (SIEGE_SECONDS)
# make slowhttp   slowhttptest and nmap against it, seven minutes
# make footprint  binary size, idle memory, start-up time
# make small      what each set of features takes, and a server in a small place at each cost of passwords; some minutes
# make screenshots  the pages by day and by night, into docs/screenshots, to be looked at
# make fuzz       each fuzz target for FUZZ_SECONDS=60 (a nightly compiler, cargo-fuzz)
# make dist       a static binary with its manual, completions, units and documents, in target/dist as a tar file
# make stage      the same for this machine, laid out in target/stage; then, as root: target/stage/install.sh
# make install    both at once, for a user who may write there: PREFIX (/usr/local), DESTDIR
# make doc        the library's documentation, as a book
# make options    docs/options.md, from the table of options

CARGO = cargo
export CARGO_TERM_COLOR ?= auto
# Here, whatever cargo's own settings say: scripts and packages take what was built from there.
export CARGO_TARGET_DIR = $(CURDIR)/target

.PHONY: run build static dist dist-test stage install test test-all fmt lint doc features no-std examples tools tests bench siege slowhttp footprint small screenshots options fuzz clean

run: build
	target/release/gatekey serve $(ARGS)

# The library for size and the last step of link-time optimisation for speed (Cargo.toml, profile.release, has the reason).
BUILD = CARGO_PROFILE_RELEASE_OPT_LEVEL=s $(CARGO) rustc --locked --release --bin gatekey
LAST_STEP = -- -C opt-level=3
build:
	$(BUILD) $(LAST_STEP)

# The fastest checks come first.
test: fmt lint features no-std doc tools tests examples
	@tests/skipped.sh

# CI runs this after `make test`. SIEGE_IN_TESTS: seconds of the siege (all hazards at once beside well-behaved clients).
SIEGE_IN_TESTS = 60
test-all: tools dist-test
	TESTED_BINARY=$(SHIPPED_BINARY) SIEGE_SECONDS=$(SIEGE_IN_TESTS) \
	  $(CARGO) test --locked --test it good_clients_lose_nothing_in_a_siege -- --nocapture
	@tests/skipped.sh

fmt:
	$(CARGO) fmt --check
	rustfmt --check fuzz/fuzz_targets/*.rs tests/no_std/lib.rs --edition 2024

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings

# Each step of the chain, which is each feature alone, since each holds those before; `legacy-hashes` and `tiny-http`, beside it; and the
# token tier's own tests, since it is no_std. The example by itself, since it brings features of the tests' crates.
FEATURES = "" std password legacy-hashes store routes tiny-http strict cli
features:
	for feature in $(FEATURES); do \
	  $(CARGO) clippy --locked --lib --bins --no-default-features --features "$$feature" -- -D warnings && \
	  $(CARGO) clippy --locked --example tier --no-default-features --features "$$feature" -- -D warnings || exit 1; \
	done
	$(CARGO) test --locked --quiet --lib --no-default-features
	$(CARGO) test --locked --quiet --lib --no-default-features --features cli cli::

# The token in a static library without std, used by a C program.
no-std:
	@tests/no_std/run.sh

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
	$(CARGO) test --locked --quiet --test it article::

bench: build static
	@bench/tools.sh wrk nginx venv axum
	@bench/run.py target/release/gatekey $(PARTS)

screenshots: tools
	mkdir -p docs/screenshots
	$(CARGO) test --locked --test it screenshots -- --ignored
	-command -v pngquant >/dev/null && pngquant --force --ext .png docs/screenshots/*.png

# A test fails when the file differs from the table.
options:
	$(CARGO) test --locked --quiet --lib write_the_option_reference -- --ignored

# The five seconds of it in `make test` are of the debug build.
SIEGE_SECONDS ?= 600
siege:
	SIEGE_SECONDS=$(SIEGE_SECONDS) $(CARGO) test --locked --release --test it good_clients_lose_nothing_in_a_siege -- --nocapture

slowhttp: build
	@bench/tools.sh slowhttptest nmap
	@bench/slowhttp.sh target/release/gatekey

footprint: build
	@bench/tools.sh venv
	@bench/run.py target/release/gatekey footprint

small:
	@bench/small.sh

# Position-independent all the same. The relocations take a few bytes each, and C code, which no panic crosses, has no
# tables to unwind it by. What of glibc is never called stays out (deploy/static.ld). With musl and a compiler for it
# installed: make dist TARGET=x86_64-unknown-linux-musl
TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
STATIC_FLAGS = -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=deploy/static.ld
# With lld, which rustc takes there: functions equal to the byte stand once, but for those whose addresses may be compared.
ifeq ($(TARGET),x86_64-unknown-linux-gnu)
STATIC_FLAGS += -C llvm-args=-addrsig -C link-arg=-Wl,--icf=safe
endif
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
DIST = gatekey-$(VERSION)-$(TARGET)
SHIPPED_BINARY = $(CURDIR)/target/$(TARGET)/release/gatekey
static:
	CFLAGS="-fstack-protector-strong -fno-asynchronous-unwind-tables -fno-unwind-tables" RUSTFLAGS="$(STATIC_FLAGS)" \
	  $(BUILD) --target $(TARGET) $(LAST_STEP)

dist: static
	deploy/stage.sh target/$(TARGET)/release/gatekey target/dist/$(DIST)
	@deploy/pack.sh target/dist $(DIST)

# The shipped binary is linked differently from the test build, so the tests that start a binary run against it as well.
dist-test: dist
	tests/dist.sh target/dist/$(DIST).tar.gz
	TESTED_BINARY=$(SHIPPED_BINARY) $(CARGO) test --locked --quiet --test it -- \
	  backups:: commands:: doctor:: faults:: hash_work:: hazards:: importing:: keys:: listening:: serve:: limiter:: tune:: users:: watching::

# By oneself: under sudo there may be no cargo, or root would own what it builds.
stage: build
	deploy/stage.sh target/release/gatekey target/stage

install: stage
	target/stage/install.sh

# The properties that `make test` tries for a few seconds, for longer and with a fuzzer that sees which code runs.
FUZZ_SECONDS = 60
fuzz:
	@fuzz/run.sh $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
