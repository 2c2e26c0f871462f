//! The header in which an inbox says what became of an event.
//!
//! Go Micro's inboxes say nothing: they answer 200 whatever became of it.
//!
//! Pure.

use callboard_actors::broker::Published;
use hyper::header::HeaderValue;

/// Its name; its value is e.g. `acknowledged=2, failed=0, refused=1`.
pub(crate) const OUTCOME: &str = "callboard-event";

pub(crate) fn write(published: Published) -> HeaderValue {
    let Published { acknowledged, failed, refused } = published;
    let text = format!("acknowledged={acknowledged}, failed={failed}, refused={refused}");
    // Letters and digits are always a value.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Reads a value; what is not understood counts nothing.
pub(crate) fn read(value: &HeaderValue) -> Published {
    let mut published = Published::default();
    for pair in value.to_str().unwrap_or_default().split(',') {
        let (name, count) = pair.trim().split_once('=').unwrap_or_default();
        let counter = match name {
            "acknowledged" => &mut published.acknowledged,
            "failed" => &mut published.failed,
            "refused" => &mut published.refused,
            _ => continue,
        };
        *counter = count.parse().unwrap_or(0);
    }
    published
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_nothing() {
        let published = Published { acknowledged: 3, failed: 2, refused: 1 };
        assert_eq!(read(&write(published)), published);
        for text in ["", "acknowledged", "acknowledged=many", "lost=1", ",,="] {
            assert_eq!(read(&HeaderValue::from_static(text)), Published::default());
        }
    }
}
