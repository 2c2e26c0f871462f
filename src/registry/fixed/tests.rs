//! Tests of the registry `static`, on files that are removed at the end.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use callboard_actors::registry::{Change, NodeInfo};
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn text_answers_and_its_watch_stays_open() {
    let registry = StaticRegistry::parse("greeter=127.0.0.1:9001;users=127.0.0.1:9002").unwrap();
    assert_eq!(registry.get("greeter".into()).await.unwrap().len(), 1);
    assert_eq!(registry.get("nobody".into()).await.unwrap(), vec![]);
    assert_eq!(registry.list().await.unwrap().len(), 2);
    let mut watch = registry.watch(WatchScope::Service("users".into())).await.unwrap();
    assert!(matches!(next(&mut *watch).await, Change::Resync(s) if s[0].name == "users"));
    assert!(timeout(Duration::from_millis(20), watch.next()).await.is_err());
}

#[tokio::test]
async fn wrong_text_is_refused_and_not_worth_repeating() {
    let error = StaticRegistry::parse("greeter=nowhere").unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        "registry static refused the record of greeter: address `nowhere` has no port"
    );
}

#[tokio::test]
async fn registering_succeeds_and_changes_nothing() {
    let registry = StaticRegistry::parse("greeter=127.0.0.1:9001").unwrap();
    let before = registry.list().await.unwrap();
    let service = Service::new("other", "1").node(NodeInfo::new("a", "127.0.0.1:1"));
    registry.register(service.clone(), Duration::from_secs(1)).await.unwrap();
    registry.renew(service.clone(), Duration::from_secs(1)).await.unwrap();
    registry.deregister(service).await.unwrap();
    assert_eq!(registry.list().await.unwrap(), before);
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let file = TestFile::new();
    file.write("greeter 1.0 127.0.0.1:9001\n");
    let registry = file.registry();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    assert!(matches!(next(&mut *watch).await, Change::Resync(s) if s[0].nodes.len() == 1));
    file.write("greeter 1.0 127.0.0.1:9001\ngreeter 1.0 127.0.0.1:9002\n");
    let Change::Created(came) = next(&mut *watch).await else { panic!("a node came") };
    assert_eq!(came.nodes, [NodeInfo::new("greeter@127.0.0.1:9002", "127.0.0.1:9002")]);
    file.write("users 127.0.0.1:9003\n");
    assert!(matches!(next(&mut *watch).await, Change::Created(s) if s.name == "users"));
    assert!(matches!(next(&mut *watch).await, Change::Deleted(s) if s.name == "greeter"));
    assert_eq!(registry.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_broken_file_is_named_with_its_line_while_watches_keep_the_last_view() {
    let file = TestFile::new();
    file.write("greeter 127.0.0.1:9001\n");
    let registry = file.registry();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    next(&mut *watch).await;

    file.write("greeter 127.0.0.1:9001\ngreeter nowhere at-all\n");
    let error = until(async || registry.list().await.err()).await;
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("line 2: address `at-all` has no port"), "{text}");
    assert!(text.contains(&registry.address()), "{text}");
    let mut late = registry.watch(WatchScope::All).await.unwrap();
    assert!(matches!(next(&mut *late).await, Change::Resync(s) if s[0].name == "greeter"));

    file.write("users 127.0.0.1:9002\n");
    assert!(matches!(next(&mut *watch).await, Change::Created(s) if s.name == "users"));
    assert!(matches!(next(&mut *watch).await, Change::Deleted(s) if s.name == "greeter"));
}

#[tokio::test]
async fn a_file_that_disappears_is_unavailable_until_it_is_back() {
    let file = TestFile::new();
    file.write("greeter 127.0.0.1:9001\n");
    let registry = file.registry();
    let content = fs::read(&file.path).unwrap();
    fs::remove_file(&file.path).unwrap();
    until(async || registry.get("greeter".into()).await.err()).await;
    fs::write(&file.path, content).unwrap();
    let services = until(async || registry.get("greeter".into()).await.ok()).await;
    assert_eq!(services[0].nodes.len(), 1);
}

#[tokio::test]
async fn a_file_that_never_was_makes_no_empty_promise() {
    let file = TestFile::new();
    let registry = file.registry();
    let error = registry.watch(WatchScope::All).await.err().unwrap();
    assert!(matches!(error, RegistryError::Unavailable { .. }));
    assert!(registry.list().await.is_err());
    file.write(r#"[{"name":"greeter","version":"1","nodes":[{"id":"a","address":"a:1"}]}]"#);
    let mut watch = until(async || registry.watch(WatchScope::All).await.ok()).await;
    assert!(matches!(next(&mut *watch).await, Change::Resync(s) if s.len() == 1));
}

async fn next(watch: &mut dyn Watch) -> Change {
    timeout(PATIENCE, watch.next()).await.expect("a change in time").unwrap()
}

/// Asks until there is an answer.
async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("an answer in time")
}

/// A file that is removed at the end.
struct TestFile {
    path: PathBuf,
}

impl TestFile {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("callboard-static-{}-{number}.txt", std::process::id());
        Self { path: std::env::temp_dir().join(name) }
    }

    /// Replaces the content at once, so that no reader sees half of it.
    fn write(&self, content: &str) {
        let draft = self.path.with_extension("draft");
        fs::write(&draft, content).unwrap();
        fs::rename(draft, &self.path).unwrap();
    }

    fn registry(&self) -> StaticRegistry {
        let options = StaticOptions::default().poll(Duration::from_millis(10));
        StaticRegistry::file_with(&self.path, options)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // Some tests end without a file.
        let _absent = fs::remove_file(&self.path);
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
