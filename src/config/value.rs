//! Reads and writes the values of settings: durations, sizes, counts, pairs.
//!
//! Pure.

use std::time::Duration;

use crate::config::ValueError;

/// A duration: `5s`, `500ms`, `1.5s`, `1m30s`; a bare integer is seconds.
///
/// Units are those of Go: `ns`, `us` or `µs`, `ms`, `s`, `m`, `h`.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    if text.is_empty() {
        return Err(ValueError::Empty);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().map_err(|_| ValueError::OutOfRange)?;
        return within_bounds(Some(Duration::from_secs(seconds)));
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split(rest, |letter| letter.is_ascii_digit() || letter == '.');
        let (unit, after) = split(after, char::is_alphabetic);
        if number.is_empty() {
            return Err(ValueError::NotANumber);
        }
        let part = part(number, nanoseconds(unit)?)?;
        sum = within_bounds(sum.checked_add(part))?;
        rest = after;
    }
    Ok(sum)
}

/// A duration as [`duration`] reads it, e.g. `1m30s`.
pub(super) fn show_duration(value: Duration) -> String {
    let (seconds, mut rest) = (value.as_secs(), value.subsec_nanos());
    let mut text = String::new();
    for (amount, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")] {
        if amount > 0 {
            text.extend([&amount.to_string(), unit]);
        }
    }
    for (size, unit) in [(1_000_000, "ms"), (1_000, "us"), (1, "ns")] {
        if rest >= size {
            text.extend([&(rest / size).to_string(), unit]);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// A number of bytes: `4MiB`, `64KiB`, `512B`; a bare integer is bytes.
pub(super) fn bytes(text: &str) -> Result<usize, ValueError> {
    let (number, unit) = split(text, |letter| letter.is_ascii_digit());
    let size = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        unknown => return Err(ValueError::UnknownUnit { unit: unknown.into() }),
    };
    count::<usize>(number)?.checked_mul(size).ok_or(ValueError::OutOfRange)
}

/// A number of bytes as [`bytes`] reads it, e.g. `4MiB`.
pub(super) fn show_bytes(value: usize) -> String {
    [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(size, _)| value >= *size && value.is_multiple_of(*size))
        .map_or_else(|| value.to_string(), |(size, unit)| format!("{}{unit}", value / size))
}

/// A whole number without a sign.
pub(super) fn count<T: std::str::FromStr>(text: &str) -> Result<T, ValueError> {
    if text.is_empty() {
        return Err(ValueError::Empty);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::NotANumber);
    }
    text.parse().map_err(|_| ValueError::OutOfRange)
}

/// Pairs: `zone=a,rack=7`. A name ends at the first `=`; empty entries are skipped.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, ValueError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| match entry.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(ValueError::NotAPair { entry: entry.to_owned() }),
        })
        .collect()
}

/// Pairs as [`pairs`] reads them.
pub(super) fn show_pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// A text that may be empty, which means that nothing is set.
pub(super) fn optional(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Nanoseconds in a unit.
fn nanoseconds(unit: &str) -> Result<u128, ValueError> {
    Ok(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(ValueError::NoUnit),
        unknown => return Err(ValueError::UnknownUnit { unit: unknown.into() }),
    })
}

/// A number with an optional fraction times a unit, rounded down to the nanosecond.
fn part(number: &str, unit: u128) -> Result<Duration, ValueError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(ValueError::NotANumber);
    }
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let number: u64 = format!("{whole}{fraction}").parse().map_err(|_| ValueError::OutOfRange)?;
    let scale = fraction.bytes().fold(1, |scale: u128, _| scale * 10);
    let nanoseconds = u64::try_from(u128::from(number) * unit / scale);
    within_bounds(nanoseconds.ok().map(Duration::from_nanos))
}

fn within_bounds(value: Option<Duration>) -> Result<Duration, ValueError> {
    value.filter(|value| *value <= LONGEST).ok_or(ValueError::OutOfRange)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|letter| !belongs(letter)).unwrap_or(text.len()))
}

/// Digits of a fraction that are read; with 13, an hour's last is below a nanosecond.
const FRACTION_DIGITS: usize = 13;

/// 365 days, so that no sum of settings overflows.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_those_of_go_and_bare_integers_are_seconds() {
        for (text, milliseconds) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("2000us", 2),
            ("2000µs", 2),
            ("3000000ns", 3),
            ("30", 30_000),
            ("0", 0),
            ("0.0010000000000000000000000001s", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, reason) in [
            ("", "nothing is given"),
            ("s", "it is not a number"),
            ("-5s", "it is not a number"),
            ("1..5s", "it is not a number"),
            (".s", "it is not a number"),
            ("5 s", "the unit is missing"),
            ("1.5", "the unit is missing"),
            ("5parsecs", "`parsecs` is not a unit"),
            ("5d", "`d` is not a unit"),
            ("8761h", "it is outside of what is allowed"),
            ("31536001", "it is outside of what is allowed"),
            ("99999999999999999999999s", "it is outside of what is allowed"),
            ("18446744073709551615h", "it is outside of what is allowed"),
            ("8760h1ns", "it is outside of what is allowed"),
        ] {
            assert_eq!(duration(text).unwrap_err().to_string(), reason, "{text}");
        }
        assert_eq!(duration("8760h"), Ok(LONGEST));
    }

    #[test]
    fn durations_are_shown_short() {
        for text in ["0s", "5s", "500ms", "1m30s", "1h", "1s1ns", "2us", "24h1m"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, size) in [
            ("4MiB", 4 << 20),
            ("64 kib", 64 << 10),
            ("1GiB", 1 << 30),
            ("512B", 512),
            ("512", 512),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for (text, reason) in [
            ("", "nothing is given"),
            ("MiB", "nothing is given"),
            ("4MB", "`mb` is not a unit"),
            ("4.5MiB", "`.5mib` is not a unit"),
            ("99999999999999999999GiB", "it is outside of what is allowed"),
            ("18446744073709551615GiB", "it is outside of what is allowed"),
        ] {
            assert_eq!(bytes(text).unwrap_err().to_string(), reason, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_is_exact() {
        for text in ["4MiB", "1GiB", "1536KiB", "1000", "0"] {
            assert_eq!(show_bytes(bytes(text).unwrap()), text);
        }
    }

    #[test]
    fn counts_have_no_sign() {
        assert_eq!(count::<u8>("255"), Ok(255));
        assert_eq!(count::<u8>("256"), Err(ValueError::OutOfRange));
        assert_eq!(count::<u8>("+1"), Err(ValueError::NotANumber));
        assert_eq!(count::<u8>(""), Err(ValueError::Empty));
    }

    #[test]
    fn pairs_are_separated_by_commas() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("zone=a, rack = 7,"), Ok(vec![pair("zone", "a"), pair("rack", "7")]));
        assert_eq!(pairs("query=a=b,empty="), Ok(vec![pair("query", "a=b"), pair("empty", "")]));
        assert_eq!(pairs(""), Ok(vec![]));
        for text in ["zone", "=a", "a=1,b"] {
            let error = pairs(text).unwrap_err().to_string();
            assert!(error.ends_with("is not of the form `name=value`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            nanoseconds in 0..=31_536_000_000_000_000_u64,
            size in 0..usize::MAX,
        ) {
            let value = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(duration(&show_duration(value)), Ok(value));
            prop_assert_eq!(bytes(&show_bytes(size)), Ok(size));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "[0-9.a-zµ=, -]{0,24}|\\PC{0,12}") {
            let _ = (duration(&text), bytes(&text), pairs(&text), count::<u16>(&text));
        }
    }
}
