# Lists what there is.
default:
    @just --list

# Every check there is.
check:
    ./tests/run

# Formats everything.
format:
    cargo fmt --all

# Lints as the checks do.
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The engine's tests; in memory, on paused time.
engine *arguments:
    cargo test --package callboard-actors {{arguments}}

# All tests but those in the documentation.
test *arguments:
    cargo test --workspace --all-features --tests {{arguments}}

# The documentation, with its examples compiled.
docs:
    cargo test --workspace --all-features --doc
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps

# Each fuzz target for ten minutes, or `just fuzz SECONDS [TARGET…]`; needs nightly and cargo-fuzz.
fuzz *arguments:
    tests/fuzz/run {{arguments}}

# All measurements, beside the floor and the rivals; an idle machine and a quarter of an hour.
compare *arguments:
    benches/compare {{arguments}}

# Counts the instructions of the key paths; `just instructions --update` accepts them.
instructions *arguments:
    benches/instructions/check {{arguments}}

# Server and client in one process.
hello:
    cargo run --example hello
