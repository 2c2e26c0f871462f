//! What an answer of an agent that is no success means, and what to do about it.
//!
//! Pure.

use callboard_actors::registry::RegistryError;
use hyper::StatusCode;

use super::NAME;

/// An answer that is no success.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    /// Of the agent.
    pub(super) address: &'a str,
    pub(super) status: StatusCode,
    /// What it says.
    pub(super) text: &'a str,
}

impl Failure<'_> {
    /// Whether the agent cannot find the datacenter that it is asked about: there is none of this
    /// name, or none of its servers can be reached now.
    pub(super) fn is_of_datacenter(&self) -> bool {
        self.text.contains("No path to datacenter")
    }

    /// Whether an agent that is asked to register takes offence at the record.
    pub(super) fn is_of_record(&self) -> bool {
        match self.status {
            StatusCode::BAD_REQUEST => !self.text.contains(HTTPS),
            status => status == StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Trying again helps only where the agent, not the question, is at fault.
    pub(super) fn into_error(self) -> RegistryError {
        let Self { address, status, text } = self;
        let (registry, address) = (NAME, address.to_owned());
        let said = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
        let help = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let reason = format!("{said}; check the ACL token");
                return RegistryError::Forbidden { registry, address, reason };
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                None
            }
            StatusCode::BAD_REQUEST if text.contains(HTTPS) => Some(
                "this port speaks TLS; give its address as `https://…`, or the port of plain HTTP",
            ),
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::GONE
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
                Some("this is not the HTTP API of a Consul agent; check the address")
            }
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Some("it takes no requests of this size; raise its limits, or shorten the record")
            }
            status if status.is_redirection() => {
                Some("it sends us elsewhere, and is not followed; give the agent's own address")
            }
            status if status.is_client_error() => {
                Some("it will say so again; check the address and the agent's version")
            }
            _ => None,
        };
        match help {
            None => RegistryError::Unavailable { registry, address, reason: said },
            Some(help) => {
                let reason = format!("{said}; {help}");
                RegistryError::Misconfigured { registry, address, reason }
            }
        }
    }
}

/// What is told when the agent knows no datacenter of this name.
pub(super) fn unknown_datacenter(address: &str, name: &str, known: &[String]) -> RegistryError {
    RegistryError::Misconfigured {
        registry: NAME,
        address: address.to_owned(),
        reason: format!(
            "it knows no datacenter {name:?}, only {}; correct `ConsulOptions::datacenter`",
            known.join(", ")
        ),
    }
}

/// What Go's server says to a request in plain text.
const HTTPS: &str = "HTTPS server";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, text: &str) -> RegistryError {
        let status = StatusCode::from_u16(status).unwrap();
        Failure { address: "127.0.0.1:8500", status, text }.into_error()
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 507] {
            assert!(error(status, "").is_retryable(), "{status}");
        }
        for status in [300, 301, 307, 400, 401, 403, 404, 405, 409, 410, 413, 414, 431, 501, 505] {
            assert!(!error(status, "").is_retryable(), "{status}");
        }
    }

    #[test]
    fn what_is_permanent_says_what_to_do() {
        for (status, text, expected) in [
            (301, "", "301 Moved Permanently; it sends us elsewhere"),
            (400, "Client sent an HTTP request to an HTTPS server.", "this port speaks TLS"),
            (400, "Bad request", "400 Bad Request: Bad request; it will say so again"),
            (403, "ACL not found", "403 Forbidden: ACL not found; check the ACL token"),
            (405, "", "not the HTTP API of a Consul agent; check the address"),
            (413, "", "shorten the record"),
        ] {
            let told = error(status, text).to_string();
            assert!(told.contains(expected), "{told}");
            assert!(told.contains("consul at 127.0.0.1:8500"), "{told}");
        }
    }
}
