//! String pairs that travel beside a body.
//!
//! Pure.

use std::fmt;

/// Pairs of strings that accompany a request, a reply or an event.
///
/// Names compare without regard to ASCII case and keep the order in which they were added. An
/// empty one allocates nothing.
///
/// ```
/// use callboard_actors::Metadata;
///
/// let metadata = Metadata::new().with("Trace", "1");
/// assert_eq!(metadata.value("trace"), Some("1"));
/// ```
#[derive(Clone, Default)]
pub struct Metadata(Option<Box<Table>>);

impl Metadata {
    /// Entries a message may carry.
    pub const MAX_ENTRIES: usize = 64;

    /// Bytes that names and values together may take.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Creates an empty one.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Adds or replaces a pair and returns the whole.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds a pair, or replaces the value of an equal name.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        self.put(&name.into(), &value.into());
    }

    /// As [`insert`](Self::insert), for texts that the caller keeps.
    pub fn put(&mut self, name: &str, value: &str) {
        self.0.get_or_insert_default().put(name, value);
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let table = self.0.as_deref()?;
        let found = table.find(hash(name), name)?;
        Some(table.pair(&table.places[found]).1)
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let table = self.0.as_deref().unwrap_or(&EMPTY);
        table.places.iter().map(|place| table.pair(place))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.places.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes that names and values take together.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.text.len())
    }

    /// Whether it keeps to [`MAX_ENTRIES`](Self::MAX_ENTRIES) and [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn is_within_limits(&self) -> bool {
        self.len() <= Self::MAX_ENTRIES && self.bytes() <= Self::MAX_BYTES
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Metadata {}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut metadata = Self::new();
        for (name, value) in pairs {
            metadata.insert(name, value);
        }
        metadata
    }
}

/// All texts in one, so that a pair allocates nothing of its own.
#[derive(Clone, Default)]
struct Table {
    /// Each name, followed by its value.
    text: String,
    places: Vec<Place>,
    /// A bit for each hash of a name. A name whose bit is missing is new, and most are told so:
    /// comparing each with all before it would take the square of their number.
    seen: [u64; SEEN_WORDS],
}

/// Where a pair lies in the text.
#[derive(Clone, Copy)]
struct Place {
    name_hash: u32,
    begin: usize,
    middle: usize,
    end: usize,
}

impl Table {
    fn put(&mut self, name: &str, value: &str) {
        let name_hash = hash(name);
        if let Some(known) = self.find(name_hash, name) {
            return self.replace(known, value);
        }
        let begin = self.text.len();
        self.text.reserve(name.len() + value.len());
        self.text.push_str(name);
        self.text.push_str(value);
        let (middle, end) = (begin + name.len(), self.text.len());
        self.places.push(Place { name_hash, begin, middle, end });
        let (word, bit) = bit(name_hash);
        self.seen[word] |= bit;
    }

    fn find(&self, name_hash: u32, name: &str) -> Option<usize> {
        let (word, bit) = bit(name_hash);
        if self.seen[word] & bit == 0 {
            return None;
        }
        self.places.iter().position(|place| {
            place.name_hash == name_hash && self.pair(place).0.eq_ignore_ascii_case(name)
        })
    }

    /// Replaces a value; what lies behind it moves.
    fn replace(&mut self, index: usize, value: &str) {
        let Place { middle, end, .. } = self.places[index];
        self.text.replace_range(middle..end, value);
        let moved = |at: usize| at - end + middle + value.len();
        self.places[index].end = moved(end);
        for place in &mut self.places[index + 1..] {
            let Place { begin, middle, end, .. } = *place;
            (place.begin, place.middle, place.end) = (moved(begin), moved(middle), moved(end));
        }
    }

    fn pair(&self, place: &Place) -> (&str, &str) {
        (&self.text[place.begin..place.middle], &self.text[place.middle..place.end])
    }
}

/// The bit of a hash, and the word it is in.
fn bit(hash: u32) -> (usize, u64) {
    ((hash >> 6) as usize % SEEN_WORDS, 1 << (hash % 64))
}

/// FNV-1a of a name in lower case. Names made to collide cost what a comparison of all costs.
fn hash(name: &str) -> u32 {
    let fold = |hash: u32, byte: u8| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    };
    let hash = name.bytes().fold(0x811c_9dc5, fold);
    hash ^ (hash >> 15)
}

static EMPTY: Table = Table { text: String::new(), places: Vec::new(), seen: [0; SEEN_WORDS] };

/// Room for 512 bits: of as many names as a message may have, one in sixteen is looked for in vain.
const SEEN_WORDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_collapse_and_keep_their_place() {
        let mut metadata = Metadata::new().with("A", "1").with("bb", "22").with("c", "333");
        metadata.put("BB", "a longer value");
        metadata.put("a", "");
        metadata.insert("d", String::from("4"));
        let expected = [("A", ""), ("bb", "a longer value"), ("c", "333"), ("d", "4")];
        assert!(metadata.iter().eq(expected), "{metadata:?}");
        assert_eq!((metadata.len(), metadata.bytes()), (4, 23));
        assert_eq!(metadata, expected.into_iter().collect());
        assert_ne!(metadata, Metadata::new().with("A", ""));
        assert_eq!((metadata.value("D"), metadata.value("e")), (Some("4"), None));
    }

    #[test]
    fn pairs_are_compared_one_by_one_not_as_one_text() {
        let (one, other) = (Metadata::new().with("ab", "c"), Metadata::new().with("a", "bc"));
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), r#"{"ab": "c"}"#);
        assert_eq!(Metadata::new(), Metadata::default());
    }

    #[test]
    fn names_of_one_hash_stay_apart() {
        // Every name has the same bit as many others here; each is found by itself.
        let names: Vec<String> = (0..2_000).map(|index| format!("name-{index}")).collect();
        let metadata: Metadata = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
        assert_eq!(metadata.len(), names.len());
        assert!(names.iter().all(|name| metadata.value(name) == Some(name)));
    }

    #[test]
    fn few_of_the_names_a_message_may_have_are_looked_for_in_vain() {
        let (mut table, mut searches) = (Table::default(), 0);
        for index in 0..Metadata::MAX_ENTRIES {
            let name = format!("name-{index:02}");
            let (word, bit) = bit(hash(&name));
            searches += usize::from(table.seen[word] & bit != 0);
            table.put(&name, "value");
        }
        assert!(searches <= Metadata::MAX_ENTRIES / 8, "{searches} of the names were looked for");
    }

    #[test]
    fn an_empty_one_takes_a_pointer() {
        assert_eq!(size_of::<Metadata>(), size_of::<usize>());
    }
}
