//! The body of Go Micro's HTTP broker: an event that was read comes back.

use crate::broker::envelope::EventEnvelope;
use crate::codec::Generation;

/// An event in the body of a request to the inbox, of either generation.
pub fn inbox(bytes: &[u8]) {
    let Ok(event) = EventEnvelope::decode(bytes) else { return };
    assert!(!event.topic.is_empty() && !event.content_type.is_empty());
    assert!(event.topic.len() + event.body.len() + event.metadata.bytes() <= bytes.len());
    for generation in [Generation::Early, Generation::Current] {
        let written = event.encode(generation, "7");
        let again = EventEnvelope::decode(&written);
        let again = again.unwrap_or_else(|error| panic!("{error}: {event:?}"));
        assert_eq!(
            (&again.topic, &again.content_type, &again.body),
            (&event.topic, &event.content_type, &event.body)
        );
        assert_eq!(again.encode(generation, "7"), written);
    }
}
