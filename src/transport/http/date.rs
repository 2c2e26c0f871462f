//! The time of day, as answers tell it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A date, written anew once a second.
#[derive(Default)]
pub(super) struct Date {
    text: String,
    /// When it is to be written anew.
    until: Option<Instant>,
}

impl Date {
    /// The date; `now` spares asking for the time of day.
    pub(super) fn at(&mut self, now: Instant) -> &str {
        if self.until.is_none_or(|until| until <= now) {
            let time = SystemTime::now();
            let nanos = time.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
            let rest = Duration::from_secs(1).saturating_sub(Duration::from_nanos(nanos.into()));
            self.text = httpdate::fmt_http_date(time);
            self.until = Some(now + rest);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_anew_when_its_second_has_passed() {
        let (mut date, now) = (Date::default(), Instant::now());
        let before = SystemTime::now() - Duration::from_secs(1);
        let written = httpdate::parse_http_date(date.at(now)).unwrap();
        assert!((before..=SystemTime::now()).contains(&written), "{written:?}");
        date.text = "kept".to_owned();
        assert_eq!(date.at(now), "kept");
        assert_ne!(date.at(now + Duration::from_secs(1)), "kept");
    }
}
