//! What the RPC envelopes have in common.
//!
//! Pure.

use bytes::Bytes;

/// A request taken out of its envelope.
///
/// ```
/// use bytes::Bytes;
/// use callboard::codec::json_rpc;
///
/// let bytes = Bytes::from_static(br#"{"method":"Greeter.Hello","params":[{"name":"John"}],"id":0}"#);
/// let request = json_rpc::decode_request(&bytes)?;
/// assert_eq!(request.method, "Greeter.Hello");
/// assert_eq!(request.body, r#"{"name":"John"}"#);
/// # Ok::<(), callboard::codec::EnvelopeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEnvelope<Id> {
    /// The endpoint, e.g. `Greeter.Hello`.
    pub method: String,
    /// To be repeated in the response.
    pub id: Id,
    /// The encoded message.
    pub body: Bytes,
}

/// A response taken out of its envelope.
///
/// ```
/// use bytes::Bytes;
/// use callboard::codec::json_rpc;
///
/// let bytes = Bytes::from_static(br#"{"id":0,"result":{},"error":"plain error"}"#);
/// let response = json_rpc::decode_response(&bytes)?;
/// assert_eq!(response.error.as_deref(), Some("plain error"));
/// # Ok::<(), callboard::codec::EnvelopeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseEnvelope {
    /// The error's text, if there was one.
    pub error: Option<String>,
    /// The encoded reply; empty with an error.
    pub body: Bytes,
}

/// Bytes that are not the envelope that they should be.
///
/// ```
/// use bytes::Bytes;
/// use callboard::codec::proto_rpc;
///
/// let error = proto_rpc::decode_request(&Bytes::from_static(&[0, 0, 0, 9, 1])).unwrap_err();
/// assert_eq!(error.to_string(), "a block of 9 bytes was announced and 1 are there");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is not JSON, or not of the right shape.
    #[error("not a JSON-RPC message: {0}")]
    Json(String),
    /// A request without an argument.
    #[error("params must be an array that holds the argument")]
    Params,
    /// A length is not followed by as many bytes.
    #[error("a block of {announced} bytes was announced and {present} are there")]
    Block {
        /// What the length says.
        announced: usize,
        /// What is left.
        present: usize,
    },
    /// The header, or what follows it, is not BSON.
    #[error("not a BSON-RPC message: {0}")]
    Document(&'static str),
    /// The header's block is not protobuf.
    #[error("the header is not a protobuf message: {0}")]
    Header(&'static str),
}
