//! What a message carries, as it is written.

use bytes::{Bytes, BytesMut};

/// Something that can write itself into a buffer.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use callboard_actors::message::Body;
///
/// let mut buffer = BytesMut::new();
/// Bytes::from_static(b"encoded before").encode(&mut buffer)?;
/// assert_eq!(&buffer[..], b"encoded before");
/// # Ok::<(), String>(())
/// ```
pub trait Body {
    /// Appends the encoded body.
    ///
    /// # Errors
    /// The text says what could not be encoded; what was appended is removed by the caller.
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String>;

    /// The fingerprint of the types that a node must have to read a request in its preferred form;
    /// none by default: any node may try.
    fn types(&self) -> Option<u64> {
        None
    }

    /// The content type, of request and reply, of a further form of a request, for nodes that do
    /// not take the one that is preferred: that of number 1 is the next best, and so on up to
    /// [`BodyForm::LAST`]; none by default.
    fn alternative(&self, form: BodyForm) -> Option<&'static str> {
        let _ = form;
        None
    }

    /// Appends the body in a [further form](Self::alternative).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_as(&self, form: BodyForm, buffer: &mut BytesMut) -> Result<(), String> {
        let _ = form;
        self.encode(buffer)
    }
}

/// A body that has been encoded before.
impl Body for Bytes {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        buffer.extend_from_slice(self);
        Ok(())
    }
}

/// Which of its forms a request has; those that are liked better come first.
///
/// ```
/// use callboard_actors::message::BodyForm;
///
/// assert!(BodyForm::default().is_preferred());
/// assert!(!BodyForm::default().next().is_preferred());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyForm(pub u8);

impl BodyForm {
    /// The one that is liked best.
    pub const PREFERRED: Self = Self(0);

    /// The last one that is asked for: a request has three forms at most.
    pub const LAST: Self = Self(2);

    /// Whether it is the one that is liked best.
    pub fn is_preferred(self) -> bool {
        self == Self::PREFERRED
    }

    /// The one that is liked next.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
