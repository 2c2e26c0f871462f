//! Frames of one chunk to messages, where several become one.
//!
//! Pure.

use std::ops::Range;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Items, Message, Replies, RequestId};

/// Appends the messages of a chunk: items of one stream that follow each other as one, and small
/// replies that do.
pub(super) struct Run<'a> {
    chunk: &'a Bytes,
    messages: &'a mut Vec<Message>,
    /// The stream whose items have come last.
    stream: Option<RequestId>,
    items: Vec<Range<usize>>,
    /// The replies that have come last; there are either those or items.
    replies: Vec<(RequestId, Range<u32>)>,
    /// There has been a list of replies.
    has_list: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(chunk: &'a Bytes, messages: &'a mut Vec<Message>) -> Self {
        let (items, replies) = (Vec::new(), Vec::new());
        Self { chunk, messages, stream: None, items, replies, has_list: false }
    }

    /// Adds an item; one of another stream ends what was there before.
    #[inline]
    pub(super) fn item(&mut self, id: RequestId, place: Range<usize>) {
        if self.stream != Some(id) {
            self.end();
            self.stream = Some(id);
        }
        self.items.push(place);
    }

    /// Adds a reply with nothing beside it.
    #[inline]
    pub(super) fn reply(&mut self, id: RequestId, place: Range<usize>) {
        let range = (u32::try_from(place.start), u32::try_from(place.end));
        // The only one needs no list.
        let is_only = self.replies.is_empty() && place.end == self.chunk.len();
        let (Ok(start), Ok(end), false) = (range.0, range.1, is_only || is_large(&place)) else {
            return self.other(self.single(id, place));
        };
        if self.stream.is_some() {
            self.end();
        }
        if !self.has_list {
            // As many as would fit, most likely; should others come between, the next list is short.
            self.has_list = true;
            let like_it = (self.chunk.len() - place.start) / (place.len() + HEAD);
            self.replies.reserve((like_it + 1).min(LISTED));
        }
        self.replies.push((id, start..end));
    }

    /// Adds what is no part of others.
    #[inline]
    pub(super) fn other(&mut self, message: Message) {
        self.end();
        self.messages.push(message);
    }

    /// Appends the message of what there is, if there is anything.
    #[inline]
    pub(super) fn end(&mut self) {
        // Before most frames there is nothing: for them these tests are all there is.
        if let Some(id) = self.stream.take() {
            self.end_items(id);
        } else if !self.replies.is_empty() {
            self.end_replies();
        }
    }

    #[inline(never)]
    fn end_items(&mut self, id: RequestId) {
        self.messages.push(if let [place] = &*self.items {
            let body = body(self.chunk, place.clone());
            self.items.clear();
            Message::StreamData { id, body }
        } else {
            let items = Items::new(self.chunk.clone(), std::mem::take(&mut self.items));
            Message::StreamItems { id, items }
        });
    }

    #[inline(never)]
    fn end_replies(&mut self) {
        self.messages.push(if let [(id, place)] = &*self.replies {
            let message = self.single(*id, place.start as usize..place.end as usize);
            self.replies.clear();
            message
        } else {
            let replies = Replies::new(self.chunk.clone(), std::mem::take(&mut self.replies));
            Message::Replies { replies }
        });
    }

    fn single(&self, id: RequestId, place: Range<usize>) -> Message {
        Message::Reply { id, metadata: Metadata::new(), body: body(self.chunk, place) }
    }
}

/// A part of the chunk; an empty one keeps no memory alive.
#[inline]
pub(super) fn body(chunk: &Bytes, range: Range<usize>) -> Bytes {
    if range.is_empty() { Bytes::new() } else { chunk.slice(range) }
}

fn is_large(place: &Range<usize>) -> bool {
    place.len() > Replies::LONGEST
}

/// Bytes of a reply's frame around its body, nearly always.
const HEAD: usize = 9;

/// Replies for which a list has room from the beginning, at most.
const LISTED: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_list_has_room_for_all_that_may_come() {
        let chunk = Bytes::from(vec![0; 10_000]);
        let (mut messages, ping) = (Vec::new(), Message::Ping { nonce: 1 });
        let mut run = Run::new(&chunk, &mut messages);
        for turn in 0..10 {
            run.reply(RequestId(1), 10..14);
            run.reply(RequestId(2), 24..28);
            let few = 0..=4;
            assert_eq!(few.contains(&run.replies.capacity()), turn > 0, "in turn {turn}");
            assert!(run.replies.capacity() <= LISTED);
            run.other(ping.clone());
        }
        assert_eq!(messages.len(), 20);
    }
}
