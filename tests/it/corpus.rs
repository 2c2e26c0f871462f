//! The corpus of the fuzz targets, replayed as an ordinary test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use callboard::fuzzing::TARGETS;

#[test]
fn each_target_has_a_small_corpus_and_each_corpus_a_target() {
    let folders: BTreeSet<_> = entries(&corpus()).iter().map(|path| name(path)).collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, targets);
    for (target, _) in TARGETS {
        let files = entries(&corpus().join(target));
        let bytes: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!((3..200).contains(&files.len()), "{target}: {} files", files.len());
        assert!(bytes < 300 * 1024, "{target}: {bytes} bytes");
    }
}

/// Says which file it was, since its bytes may be all that is known of a crash.
fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    for path in entries(&corpus().join(target)) {
        let bytes = fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        assert!(outcome.is_ok(), "{} breaks {target}", path.display());
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

replays! { bson compact consul door json json_rpc msgpack native proto_rpc session }

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
