//! Reading content types, as RFC 9110, section 8.3.1, says.
//!
//! Pure.

/// A media type without its parameters, in lower case.
///
/// ```
/// use callboard::codec::MediaType;
///
/// let media_type = MediaType::parse("Application/JSON; charset=\"UTF-8\"; version=1")?;
/// assert_eq!(media_type.essence(), "application/json");
/// # Ok::<(), callboard::codec::MediaTypeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaType {
    essence: String,
}

/// Why a content type cannot be used.
///
/// ```
/// use callboard::codec::MediaType;
///
/// let error = MediaType::parse("text/plain; charset=latin1").unwrap_err();
/// assert_eq!(error.to_string(), "charset \"latin1\" is not supported: send UTF-8");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaTypeError {
    /// It is not of the form `type/subtype`.
    #[error("{0:?} is not a media type")]
    Malformed(String),
    /// Its text is in another encoding.
    #[error("charset {0:?} is not supported: send UTF-8")]
    Charset(String),
}

impl MediaType {
    /// Reads a media type; only UTF-8 text is accepted, other parameters are ignored.
    ///
    /// # Errors
    /// See [`MediaTypeError`].
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim().to_ascii_lowercase();
        let is_valid = essence
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        if !is_valid {
            return Err(MediaTypeError::Malformed(text.to_owned()));
        }
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("charset")
                && !["utf-8", "utf8", "us-ascii"].iter().any(|it| value.eq_ignore_ascii_case(it))
            {
                return Err(MediaTypeError::Charset(value.to_owned()));
            }
        }
        Ok(Self { essence })
    }

    /// `type/subtype`.
    pub fn essence(&self) -> &str {
        &self.essence
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_space_and_parameters_do_not_matter() {
        for text in
            ["application/json", " APPLICATION/json ", "application/json;", "application/json ;q=1"]
        {
            assert_eq!(MediaType::parse(text).unwrap().essence(), "application/json", "{text}");
        }
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for text in ["", "json", "/json", "application/", "a b/c", "a/b/c", "; charset=utf-8"] {
            let error = MediaType::parse(text).unwrap_err();
            assert_eq!(error, MediaTypeError::Malformed(text.to_owned()));
        }
    }
}
