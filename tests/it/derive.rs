//! The `Endpoint` derive: what it accepts, and what it says when it does not.

/// The texts of rustc's own errors change between its versions; those that hold such texts are
/// exact for the toolchain that the repository is built with.
#[test]
fn the_derive_accepts_what_it_documents_and_explains_what_it_refuses() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/it/derive/pass/*.rs");
    cases.compile_fail("tests/it/derive/fail/*.rs");
}
