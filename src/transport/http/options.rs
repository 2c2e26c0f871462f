//! How long a client may take at the HTTP door, and how much it may send.
//!
//! Pure.

use std::time::Duration;

/// Limits of the HTTP door, for each connection.
///
/// The largest body is not among them: it is that of any message, the setting `--max-frame`. How
/// many connections there may be is up to
/// [`AcceptorOptions`](callboard_actors::server::AcceptorOptions).
///
/// ```
/// use std::time::Duration;
///
/// use callboard::ServiceSystem;
///
/// let system = ServiceSystem::new("greeter").http(|http| {
///     http.body_time = Duration::from_secs(120);
///     http.idle_time = Duration::from_secs(30);
/// });
/// # drop(system);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// Time for the head of a request, from its first byte; then the connection is closed without
    /// an answer. Default 5 s.
    pub head_time: Duration,
    /// Time for the body of a request, from the end of its head; then it is answered with 504 (to
    /// Go Micro: its form of a timeout), and the connection is closed. Default 30 s.
    pub body_time: Duration,
    /// Time without a request before the connection is closed, from the end of the last answer;
    /// default 3 min, which is longer than clients keep idle connections, so that they close first.
    pub idle_time: Duration,
    /// Time for a further message of a stream, from its first byte; then the connection is closed,
    /// and the stream cancelled. Between two messages there may be any time. Default 30 s.
    pub message_time: Duration,
    /// Time for the message that opens a stream, after the one that announces it; then the
    /// connection is closed. Default 60 s.
    pub opening_time: Duration,
    /// Time for a handler of a stream whose client has closed the connection, or its side of it;
    /// then the stream is cancelled. Default 5 s: it may be about to end by itself.
    pub ending_time: Duration,
    /// Time for a client to close the connection when its stream has ended; then the node does.
    /// Default 5 s.
    pub closing_time: Duration,
    /// Bytes of the head of a request; one with more is answered with 431, and the connection is
    /// closed. At least 8 KiB; default 32 KiB.
    pub head_bytes: usize,
    /// Headers of a request; one with more is answered with 431, and the connection is closed.
    /// Default 100.
    pub headers: usize,
}

impl HttpOptions {
    /// Smallest limit of a head: what the HTTP library needs to work with.
    pub const HEAD_BYTES_LEAST: usize = 8 * 1024;

    /// Checks that each limit lets something through.
    ///
    /// Whoever listens does so by itself.
    ///
    /// # Errors
    /// The first that does not.
    pub fn validate(&self) -> Result<(), HttpOptionsError> {
        let times = [
            ("head_time", self.head_time),
            ("body_time", self.body_time),
            ("idle_time", self.idle_time),
            ("message_time", self.message_time),
            ("opening_time", self.opening_time),
            ("ending_time", self.ending_time),
            ("closing_time", self.closing_time),
        ];
        if let Some((name, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return Err(HttpOptionsError::Zero(name));
        }
        if self.headers == 0 {
            return Err(HttpOptionsError::Zero("headers"));
        }
        if self.head_bytes < Self::HEAD_BYTES_LEAST {
            return Err(HttpOptionsError::HeadBytes(self.head_bytes));
        }
        Ok(())
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(5),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(180),
            message_time: Duration::from_secs(30),
            opening_time: Duration::from_secs(60),
            ending_time: Duration::from_secs(5),
            closing_time: Duration::from_secs(5),
            head_bytes: 32 * 1024,
            headers: 100,
        }
    }
}

/// Why limits of the HTTP door cannot be used.
///
/// ```
/// use callboard::transport::{HttpOptions, HttpOptionsError};
///
/// let mut options = HttpOptions::default();
/// options.headers = 0;
/// assert_eq!(options.validate(), Err(HttpOptionsError::Zero("headers")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpOptionsError {
    /// Nothing would get through.
    #[error(
        "the HTTP door's {0} is zero, with which no request gets through: leave it out for its default"
    )]
    Zero(&'static str),
    /// Less than the HTTP library needs.
    #[error(
        "the HTTP door's head_bytes are {0}: they must be at least {least}",
        least = HttpOptions::HEAD_BYTES_LEAST
    )]
    HeadBytes(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_let_nothing_through_are_refused_by_name() {
        let (none, default) = (Duration::ZERO, HttpOptions::default());
        for (name, options) in [
            ("head_time", HttpOptions { head_time: none, ..default }),
            ("body_time", HttpOptions { body_time: none, ..default }),
            ("idle_time", HttpOptions { idle_time: none, ..default }),
            ("message_time", HttpOptions { message_time: none, ..default }),
            ("opening_time", HttpOptions { opening_time: none, ..default }),
            ("ending_time", HttpOptions { ending_time: none, ..default }),
            ("closing_time", HttpOptions { closing_time: none, ..default }),
            ("headers", HttpOptions { headers: 0, ..default }),
        ] {
            assert_eq!(options.validate(), Err(HttpOptionsError::Zero(name)));
        }
        let least = HttpOptions::HEAD_BYTES_LEAST;
        for (head_bytes, expected) in
            [(least - 1, Err(HttpOptionsError::HeadBytes(least - 1))), (least, Ok(()))]
        {
            assert_eq!(HttpOptions { head_bytes, ..default }.validate(), expected);
        }
    }
}
