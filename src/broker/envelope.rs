//! The body of a request of Go Micro's HTTP broker.
//!
//! ```text
//! {"Header":{":topic":"user.created","Content-Type":"application/json"},"Body":"e30="}   2016
//! {"Header":{"Micro-Topic":"user.created","Micro-ID":"…","Content-Type":…},"Body":"e30="} today
//! ```
//!
//! Pure.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use callboard_actors::Metadata;
use serde::{Deserialize, Serialize};

use crate::codec::Generation;

/// An event as Go Micro's HTTP broker sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventEnvelope {
    pub(crate) topic: String,
    pub(crate) content_type: String,
    pub(crate) metadata: Metadata,
    pub(crate) body: Bytes,
}

/// Why a body is no event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventEnvelopeError {
    #[error("Error parsing request body: {0}")]
    Json(#[from] serde_json::Error),
    #[error("Error parsing request body: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("Topic not found")]
    NoTopic,
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(rename = "Header", default)]
    header: Option<BTreeMap<String, String>>,
    #[serde(rename = "Body", default)]
    body: Option<String>,
}

impl EventEnvelope {
    /// Reads an event of either generation.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EventEnvelopeError> {
        let Form { header, body } = serde_json::from_slice(bytes)?;
        let mut header = header.unwrap_or_default();
        let body = STANDARD.decode(body.unwrap_or_default())?.into();
        let topic = TOPICS.iter().find_map(|name| header.remove(*name));
        let topic = topic.filter(|topic| !topic.is_empty()).ok_or(EventEnvelopeError::NoTopic)?;
        let content_type = header.remove(CONTENT_TYPE).unwrap_or_default();
        // What Go Micro of 2016 calls its protobuf.
        let is_unnamed = content_type.is_empty() || content_type == "application/octet-stream";
        let content_type = if is_unnamed { PROTOBUF.to_owned() } else { content_type };
        Ok(Self { topic, content_type, metadata: header.into_iter().collect(), body })
    }

    /// Writes an event, with the names in order, as Go does; `id` is for today's form.
    pub(crate) fn encode(&self, generation: Generation, id: &str) -> Vec<u8> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut header: BTreeMap<String, String> = self.metadata.iter().map(own).collect();
        header.insert(CONTENT_TYPE.to_owned(), self.content_type.clone());
        match generation {
            Generation::Early => header.insert(TOPICS[1].to_owned(), self.topic.clone()),
            Generation::Current => {
                // However it is spelled: metadata do not tell capitals from small letters.
                if self.metadata.value(ID).is_none() {
                    header.insert(ID.to_owned(), id.to_owned());
                }
                header.insert(TOPICS[0].to_owned(), self.topic.clone())
            }
        };
        let form = Form { header: Some(header), body: Some(STANDARD.encode(&self.body)) };
        // Strings can always be written.
        serde_json::to_vec(&form).unwrap_or_default()
    }
}

/// Where the topic stands, today and in 2016.
const TOPICS: &[&str] = &["Micro-Topic", ":topic"];

const CONTENT_TYPE: &str = "Content-Type";

const ID: &str = "Micro-ID";

const PROTOBUF: &str = "application/protobuf";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_generations_are_read_and_written_as_go_micro_does() {
        let early = br#"{"Header":{":topic":"gm.topic","Content-Type":"application/json","X-Micro-From-Service":"gm.publisher","userId":"john"},"Body":"e30="}"#;
        let event = EventEnvelope::decode(early).unwrap();
        assert_eq!((event.topic.as_str(), &event.body[..]), ("gm.topic", &b"{}"[..]));
        assert_eq!(event.metadata.value("userId"), Some("john"));
        assert_eq!(event.encode(Generation::Early, ""), early);
        let current = br#"{"Header":{"Content-Type":"application/json","Micro-ID":"7","Micro-Topic":"gm.topic"},"Body":"e30="}"#;
        let event = EventEnvelope::decode(current).unwrap();
        assert_eq!(event.topic, "gm.topic");
        assert_eq!(event.encode(Generation::Current, "another"), current);
    }

    #[test]
    fn an_event_that_has_an_id_keeps_it_however_that_is_spelled() {
        let text = r#"{"Header":{"Micro-Topic":"t","micrO-id":"8"},"Body":""}"#;
        let event = EventEnvelope::decode(text.as_bytes()).unwrap();
        let written = event.encode(Generation::Current, "9");
        let again = EventEnvelope::decode(&written).unwrap();
        assert_eq!((again.metadata.value("Micro-ID"), again.metadata.len()), (Some("8"), 1));
        assert_eq!(again.encode(Generation::Current, "10"), written);
    }

    #[test]
    fn what_has_no_name_is_protobuf() {
        for text in [
            r#"{"Header":{":topic":"t"},"Body":null}"#,
            r#"{"Header":{":topic":"t","Content-Type":"application/octet-stream"}}"#,
        ] {
            let event = EventEnvelope::decode(text.as_bytes()).unwrap();
            assert_eq!((event.content_type.as_str(), event.body.len()), (PROTOBUF, 0));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| EventEnvelope::decode(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(wrong(r#"{"Header":{},"Body":""}"#), "Topic not found");
        assert_eq!(wrong("{}"), "Topic not found");
        assert!(wrong("nope").starts_with("Error parsing request body: "));
        assert!(wrong(r#"{"Header":{":topic":"t"},"Body":"?"}"#).starts_with("Error parsing"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = EventEnvelope::decode(&bytes);
        }

        #[test]
        fn what_was_written_is_read(topic in "\\PC{1,30}", value in "\\PC{0,30}", body: Vec<u8>) {
            let metadata = Metadata::new().with("name", value);
            let event = EventEnvelope {
                topic, content_type: "text/plain".into(), metadata, body: body.into(),
            };
            for generation in [Generation::Early, Generation::Current] {
                let read = EventEnvelope::decode(&event.encode(generation, "1")).unwrap();
                prop_assert_eq!(&read.topic, &event.topic);
                prop_assert_eq!(&read.content_type, &event.content_type);
                prop_assert_eq!(&read.body, &event.body);
                prop_assert_eq!(read.metadata.value("name"), event.metadata.value("name"));
            }
        }
    }
}
