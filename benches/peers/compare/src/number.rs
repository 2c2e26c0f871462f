//! Numbers as people read them. Pure.

/// Three digits and a unit: `1.62 M`, `490 k`, `64.0`.
pub(crate) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, " M"),
        size if size >= 9_995.0 => (value / 1e3, " k"),
        _ => return digits(value),
    };
    format!("{}{unit}", digits(value))
}

/// Three digits, or all of a large number's.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "–".into(),
        _ if value.is_infinite() => "∞".into(),
        size if size >= 999.5 => thousands(value),
        size if size >= 99.5 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with a comma after each three digits.
pub(crate) fn thousands(value: f64) -> String {
    let plain = format!("{value:.0}");
    let length = plain.trim_start_matches('-').len();
    let mut text = String::new();
    for (index, digit) in plain.trim_start_matches('-').chars().enumerate() {
        if index > 0 && (length - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// `64 KiB`, `1 MiB`, `100 B`.
pub(crate) fn bytes(size: usize) -> String {
    match size {
        _ if size >= MIB && size.is_multiple_of(MIB) => format!("{} MiB", size / MIB),
        _ if size >= KIB && size.is_multiple_of(KIB) => format!("{} KiB", size / KIB),
        _ => format!("{size} B"),
    }
}

const KIB: usize = 1024;
const MIB: usize = KIB * KIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let all = [1_623_456.0, 489_600.0, 9_000.0, 64.0, 7.126, 0.5].map(short);
        assert_eq!(all, ["1.62 M", "490 k", "9,000", "64.0", "7.13", "0.50"]);
        assert_eq!(short(999_900.0), "1.00 M");
        assert_eq!([f64::NAN, f64::INFINITY].map(digits), ["–", "∞"]);
    }

    #[test]
    fn thousands_are_marked() {
        assert_eq!([12.0, 1024.0, 1_048_576.0].map(thousands), ["12", "1,024", "1,048,576"]);
    }

    #[test]
    fn sizes_are_in_powers_of_two() {
        assert_eq!([100, 65_536, 1_048_576].map(bytes), ["100 B", "64 KiB", "1 MiB"]);
    }
}
