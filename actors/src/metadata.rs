//! String pairs that travel beside a body.
//!
//! Pure.

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(Box<str>, Box<str>)>);

impl Metadata {
    /// Entries a message may carry.
    pub const MAX_ENTRIES: usize = 64;

    /// Bytes that names and values together may take.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Creates an empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds or replaces a pair and returns the whole.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds a pair, or replaces the value of an equal name.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some(pair) => pair.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that names and values take together.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Whether it keeps to [`MAX_ENTRIES`](Self::MAX_ENTRIES) and [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn is_within_limits(&self) -> bool {
        self.len() <= Self::MAX_ENTRIES && self.bytes() <= Self::MAX_BYTES
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
