//! The corpus of the fuzz targets, replayed as an ordinary test.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Once;

use callboard::fuzzing::TARGETS;

#[test]
fn each_target_has_a_small_corpus_and_each_corpus_a_target() {
    let folders: BTreeSet<_> = entries(&corpus()).iter().map(|path| name(path)).collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, targets);
    for (target, _) in TARGETS {
        let files = entries(&corpus().join(target));
        let bytes: usize = files.iter().map(|path| read(path).len()).sum();
        assert!((3..200).contains(&files.len()), "{target}: {} files", files.len());
        assert!(bytes < 300 * 1024, "{target}: {bytes} bytes");
    }
}

/// Says which file it was, since its bytes may be all that is known of a crash.
fn replay(target: &str) {
    count_panics();
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, run) = found.expect("there is a target of this name");
    for path in entries(&corpus().join(target)) {
        let bytes = read(&path);
        let outcome = panic::catch_unwind(|| run(&bytes));
        // A node contains a panic and goes on; here it is one too many.
        let is_calm = outcome.is_ok() && PANICS.get() == 0;
        assert!(is_calm, "{} breaks {target}", path.display());
    }
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn each_target_is_replayed() {
            let replayed = BTreeSet::from([$(stringify!($target)),*]);
            assert_eq!(replayed, TARGETS.iter().map(|(name, _)| *name).collect());
        }
    };
}

replays! { bson compact consul door inbox json json_rpc msgpack native proto_rpc session }

thread_local! {
    /// Of this thread; other tests panic as they please.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            print(info);
        }));
    });
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
