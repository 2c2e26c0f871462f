//! How an event travels to another node: what stands before its body, and what is answered.
//!
//! ```text
//! event   topic bytes (u16), topic, group bytes (u16, 0: no group), group, body
//!         to the inbox: the id of a subscription in place of the group
//! answer  acknowledged (u32), failed (u32), refused (u32)
//! ```
//!
//! Numbers are little-endian.
//!
//! Pure.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Published;
use crate::message::Body;

/// An event for the subscribers that a node has for a topic, and of these for one group or for
/// those without a group.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use callboard_actors::broker::EventFrame;
/// use callboard_actors::message::Body;
///
/// let body = Bytes::from_static(b"John");
/// let frame = EventFrame { topic: "user.created", group: None, body: &body };
/// let mut buffer = BytesMut::new();
/// frame.encode(&mut buffer)?;
/// let bytes = buffer.freeze();
/// let (topic, group, at) = EventFrame::read(&bytes).unwrap();
/// assert_eq!((topic, group, &bytes[at..]), ("user.created", None, &b"John"[..]));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EventFrame<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The queue group.
    pub group: Option<&'a str>,
    /// The encoded event.
    pub body: &'a Bytes,
}

/// The bytes are no event.
///
/// ```
/// use callboard_actors::broker::EventFrame;
///
/// let error = EventFrame::read(&[4, 0, b'u']).unwrap_err();
/// assert_eq!(error.to_string(), "the event ends within its topic");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is cut off.
    #[error("the event ends within its {0}")]
    Short(&'static str),
    /// A name is not UTF-8.
    #[error("the event's {0} is not UTF-8")]
    NotText(&'static str),
}

impl EventFrame<'_> {
    /// Reads topic, group and where the body begins.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn read(bytes: &[u8]) -> Result<(&str, Option<&str>, usize), FrameError> {
        let (topic, rest) = name("topic", bytes)?;
        let (group, rest) = name("queue group", rest)?;
        Ok((topic, (!group.is_empty()).then_some(group), bytes.len() - rest.len()))
    }
}

fn name<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(&'a str, &'a [u8]), FrameError> {
    let (length, rest) = bytes.split_first_chunk().ok_or(FrameError::Short(what))?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (name, rest) = rest.split_at_checked(length).ok_or(FrameError::Short(what))?;
    Ok((str::from_utf8(name).map_err(|_| FrameError::NotText(what))?, rest))
}

impl Body for EventFrame<'_> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        for name in [self.topic, self.group.unwrap_or_default()] {
            let length = u16::try_from(name.len()).map_err(|_| "a name is too long")?;
            buffer.put_u16_le(length);
            buffer.extend_from_slice(name.as_bytes());
        }
        buffer.extend_from_slice(self.body);
        Ok(())
    }
}

impl Body for Published {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        buffer.put_u32_le(self.acknowledged);
        buffer.put_u32_le(self.failed);
        buffer.put_u32_le(self.refused);
        Ok(())
    }
}

impl Published {
    /// Reads what a node answered; nothing if it is cut off.
    ///
    /// ```
    /// use callboard_actors::broker::Published;
    ///
    /// assert_eq!(Published::read(&[0; 12]), Some(Published::default()));
    /// assert_eq!(Published::read(&[0; 11]), None);
    /// ```
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        Some(Self {
            acknowledged: bytes.try_get_u32_le().ok()?,
            failed: bytes.try_get_u32_le().ok()?,
            refused: bytes.try_get_u32_le().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(frame: &EventFrame<'_>) -> Bytes {
        let mut buffer = BytesMut::new();
        frame.encode(&mut buffer).unwrap();
        buffer.freeze()
    }

    #[test]
    fn the_bytes_are_those_of_the_table() {
        let body = Bytes::from_static(b"{}");
        let frame = EventFrame { topic: "ab", group: Some("c"), body: &body };
        assert_eq!(&encoded(&frame)[..], b"\x02\0ab\x01\0c{}");
        let mut buffer = BytesMut::new();
        Published { acknowledged: 1, failed: 2, refused: 258 }.encode(&mut buffer).unwrap();
        assert_eq!(&buffer[..], [1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0]);
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        let (long, body) = ("x".repeat(1 << 16), Bytes::new());
        let frame = EventFrame { topic: &long, group: None, body: &body };
        assert!(frame.encode(&mut BytesMut::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((topic, group, at)) = EventFrame::read(&bytes) {
                let body = Bytes::copy_from_slice(&bytes[at..]);
                prop_assert_eq!(&encoded(&EventFrame { topic, group, body: &body })[..], &bytes[..]);
            }
            if let Some(published) = Published::read(&bytes) {
                let mut buffer = BytesMut::new();
                published.encode(&mut buffer).unwrap();
                prop_assert_eq!(&buffer[..], &bytes[..12]);
            }
        }

        #[test]
        fn what_was_written_is_read(topic in "\\PC{0,60}", group in "\\PC{1,60}", body: Vec<u8>) {
            let body = Bytes::from(body);
            let bytes = encoded(&EventFrame { topic: &topic, group: Some(&group), body: &body });
            let (read_topic, read_group, at) = EventFrame::read(&bytes).unwrap();
            prop_assert_eq!((read_topic, read_group), (topic.as_str(), Some(group.as_str())));
            prop_assert_eq!(&bytes[at..], &body[..]);
        }
    }
}
