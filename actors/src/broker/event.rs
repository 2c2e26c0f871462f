//! An event as brokers carry it.
//!
//! Pure.

use std::fmt;

use bytes::Bytes;

use crate::metadata::Metadata;

/// An event as brokers carry it; cheap to clone.
///
/// ```
/// use callboard_actors::broker::EncodedEvent;
///
/// let event = EncodedEvent::new("text/plain", "John is here");
/// assert!(event.metadata.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// How the body is encoded; with a codec that needs both sides to have the same types, as the
    /// publisher writes it, their fingerprint is its parameter.
    pub content_type: &'static str,
    /// That fingerprint; none: any reader may try.
    pub types: Option<u64>,
    /// The encoded event.
    pub body: Bytes,
    /// What else the publisher can write it as, for those who have other types.
    pub other: Option<&'static OtherForm>,
}

impl EncodedEvent {
    /// Creates one without metadata, in a form that any reader may try.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let metadata = Metadata::new();
        Self { metadata, content_type, types: None, body: body.into(), other: None }
    }

    /// Whether somebody with types of this fingerprint needs its other form.
    pub fn is_misread_as(&self, types: u64) -> bool {
        self.types.is_some_and(|own| own != types)
    }

    /// The same event in its other form.
    ///
    /// # Errors
    /// It has none, or cannot be encoded like that.
    pub fn in_other_form(&self) -> Result<Self, String> {
        self.converted(self.other.ok_or("there is no other form of it")?)
    }

    /// The same event with a body of this content type; none if its publisher cannot write that, or
    /// leaves no choice.
    ///
    /// # Errors
    /// It cannot be encoded like that.
    pub fn in_form(&self, content_type: &str) -> Option<Result<Self, String>> {
        let other = self.other?;
        let mut forms = std::iter::once(other).chain(&other.further);
        forms.find(|form| form.content_type == content_type).map(|form| self.converted(form))
    }

    fn converted(&self, other: &OtherForm) -> Result<Self, String> {
        let (metadata, content_type) = (self.metadata.clone(), other.content_type);
        Ok(Self {
            metadata,
            content_type,
            types: None,
            body: other.write(&self.body)?,
            other: None,
        })
    }
}

/// Another way to encode the events of a type, which says by itself which field is which.
///
/// ```
/// use bytes::Bytes;
/// use callboard_actors::broker::{EncodedEvent, OtherForm};
///
/// // Kept for ever, as there is one for each type of events.
/// let upper = OtherForm::new("text/x-upper", |body| Ok(Bytes::from(body.to_ascii_uppercase())));
/// let event = EncodedEvent {
///     types: Some(1),
///     other: Some(Box::leak(Box::new(upper))),
///     ..EncodedEvent::new("text/plain; schema=1", "John")
/// };
/// assert!(event.is_misread_as(2));
/// assert_eq!(event.in_other_form(), Ok(EncodedEvent::new("text/x-upper", "JOHN")));
/// ```
pub struct OtherForm {
    content_type: &'static str,
    convert: Box<Convert>,
    further: Vec<Self>,
}

type Convert = dyn Fn(&[u8]) -> Result<Bytes, String> + Send + Sync;

impl OtherForm {
    /// Creates one: `convert` makes a body of this content type of one in the usual form.
    pub fn new(
        content_type: &'static str,
        convert: impl Fn(&[u8]) -> Result<Bytes, String> + Send + Sync + 'static,
    ) -> Self {
        Self { content_type, convert: Box::new(convert), further: Vec::new() }
    }

    /// Adds one more form, for subscribers of other protocols that know neither the usual one nor
    /// this.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.further.push(other);
        self
    }

    /// Its content type.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Makes a body in this form of one in the usual form.
    ///
    /// # Errors
    /// The text says what could not be converted.
    pub fn write(&self, body: &[u8]) -> Result<Bytes, String> {
        (self.convert)(body)
    }
}

impl PartialEq for OtherForm {
    fn eq(&self, other: &Self) -> bool {
        self.content_type == other.content_type
    }
}

impl Eq for OtherForm {}

impl fmt::Debug for OtherForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtherForm").field(&self.content_type).finish()
    }
}
