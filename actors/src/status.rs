//! The error that travels: what a remote caller sees of a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error that crosses the wire, as in Go Micro.
///
/// A handler returns it; the caller receives it unchanged as
/// [`CallError::Status`](crate::client::CallError::Status).
///
/// ```
/// use callboard_actors::Status;
///
/// let status = Status::not_found("greeter.user", "no user 42");
/// assert_eq!(status.code, 404);
/// assert_eq!(status.to_string(), "greeter.user: no user 42 (404 Not Found)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Who speaks and about what, e.g. the service's name; chosen by the sender.
    pub id: String,
    /// An HTTP status code.
    pub code: u16,
    /// What happened, for a person.
    pub detail: String,
    /// The code's reason phrase, e.g. `Not Found`.
    pub status: String,
}

impl Status {
    /// Creates a status; the reason phrase follows from the code.
    pub fn new(id: impl Into<String>, code: u16, detail: impl Into<String>) -> Self {
        Self { id: id.into(), code, detail: detail.into(), status: reason_phrase(code).into() }
    }

    /// Creates a 400: the request is wrong and repeating it does not help.
    pub fn bad_request(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 400, detail)
    }

    /// Creates a 401: the caller is unknown.
    pub fn unauthorized(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 401, detail)
    }

    /// Creates a 403: the caller is known and may not do this.
    pub fn forbidden(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 403, detail)
    }

    /// Creates a 404: there is no such thing.
    pub fn not_found(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 404, detail)
    }

    /// Creates a 408: there was not enough time.
    pub fn timeout(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 408, detail)
    }

    /// Creates a 409: the request contradicts the present state.
    pub fn conflict(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 409, detail)
    }

    /// Creates a 500: the handler failed.
    pub fn internal(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, 500, detail)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({} {})", self.id, self.detail, self.code, self.status)
    }
}

impl std::error::Error for Status {}

/// The reason phrases of RFC 9110 and RFC 6585 that a service has use for.
fn reason_phrase(code: u16) -> &'static str {
    match code {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
