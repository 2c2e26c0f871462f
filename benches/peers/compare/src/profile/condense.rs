//! From samples to shares. Pure.

use std::collections::BTreeMap;

use super::group::Group;
use super::script::Taken;
use super::{Holder, Side, Symbol};

/// Condenses the samples of one side; nothing is said yet about how long a call takes.
pub(super) fn side(name: &str, samples: &[&Taken]) -> Side {
    let share = |count: usize| rounded(count as f64 / samples.len().max(1) as f64);
    let (mut groups, mut symbols) = (BTreeMap::new(), BTreeMap::new());
    for taken in samples {
        *groups.entry(Group::of(&taken.frames)).or_insert(0) += 1;
        let symbol = taken.frames.first().map_or(UNKNOWN, |frame| &frame.symbol);
        // What it is generic over may be anything; together they are one function.
        *symbols.entry(short(symbol)).or_insert(0) += 1;
    }
    let symbols = by_count(symbols).into_iter().take(SYMBOLS);
    Side {
        name: name.to_owned(),
        samples: samples.len(),
        groups: by_count(groups).into_iter().map(|(it, count)| (it, share(count))).collect(),
        symbols: symbols.map(|(name, count)| Symbol { name, share: share(count) }).collect(),
        ..Side::default()
    }
}

/// Whether a sample is of this part of a process.
pub(super) type IsOf = fn(&Taken) -> bool;

/// Condenses the samples of the parts of one process, of which a call takes so long altogether;
/// those of other processes do not count.
pub(super) fn parts(
    taken: &[Taken],
    process: u32,
    nanos: f64,
    parts: &[(&str, IsOf)],
) -> Vec<Side> {
    let all = taken.iter().filter(|it| it.process == process).count().max(1) as f64;
    let part = |(name, is_of): &(&str, IsOf)| {
        let own: Vec<_> = taken.iter().filter(|it| it.process == process && is_of(it)).collect();
        Side { nanos: nanos * own.len() as f64 / all, ..side(name, &own) }
    };
    parts.iter().map(part).collect()
}

/// The sides, if there are samples enough of each to say something.
pub(super) fn enough(sides: Vec<Side>) -> Result<Vec<Side>, String> {
    match sides.iter().find(|side| side.samples < ENOUGH) {
        Some(Side { name, samples, .. }) => Err(format!("only {samples} samples of {name}")),
        None => Ok(sides),
    }
}

/// Who had each processor, with the share of its samples.
pub(super) fn holders(samples: &[Taken]) -> Vec<Holder> {
    let mut holders = BTreeMap::new();
    for Taken { processor, command, process, .. } in samples {
        // What the kernel calls so runs when nothing else does.
        let command = if *process == 0 { IDLE } else { command };
        *holders.entry((*processor, command)).or_insert(0) += 1;
    }
    let all = |processor| samples.iter().filter(|it| it.processor == processor).count();
    let mut holders: Vec<_> = by_count(holders)
        .into_iter()
        .map(|((processor, command), count)| {
            let share = rounded(f64::from(count) / all(processor) as f64);
            Holder { processor, command: command.to_owned(), share }
        })
        .filter(|holder| holder.share >= LEAST)
        .collect();
    holders.sort_by_key(|holder| holder.processor);
    holders
}

/// The greatest counts first.
fn by_count<K: Ord, C: Ord + Copy>(counts: BTreeMap<K, C>) -> Vec<(K, C)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// A name without what it is generic over, and without closures; `<A as B>::c` is `A::c`.
fn short(symbol: &str) -> String {
    let symbol = symbol.split('@').next().unwrap_or_default();
    let (of, rest) = match symbol.strip_prefix('<').and_then(bracketed) {
        Some((inner, rest)) => (inner.split(" as ").next().unwrap_or_default(), rest),
        None => ("", symbol),
    };
    format!("{}{}", plain(of), plain(rest)).replace("::::", "::").replace("::{{closure}}", "")
}

/// What stands before the bracket that closes one that is open, and after it.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (place, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..place], &text[place + 1..]));
        }
    }
    None
}

/// Without all that is in brackets.
fn plain(text: &str) -> String {
    match text.split_once('<') {
        Some((before, after)) => {
            let rest = bracketed(after).map_or("", |(_, rest)| rest);
            format!("{before}{}", plain(rest))
        }
        None => text.to_owned(),
    }
}

/// To four digits, which is more than samples are good for.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// Symbols of each side.
const SYMBOLS: usize = 12;

/// Samples without which shares are a matter of chance.
const ENOUGH: usize = 100;

/// The least share of a processor that is told.
const LEAST: f64 = 0.001;

const UNKNOWN: &str = "unknown";
const IDLE: &str = "nobody";

#[cfg(test)]
mod tests {
    use super::super::script::{RECORDED, parse};
    use super::*;

    #[test]
    fn shares_are_of_all_samples_of_a_side() {
        let taken = parse(RECORDED);
        let client: Vec<_> = taken.iter().filter(|it| it.process == 3214).collect();
        let side = side("client", &client);
        assert_eq!((side.name.as_str(), side.samples), ("client", 3));
        let thirds = [Group::Copying, Group::Waking, Group::Client].map(|it| (it, 0.3333));
        assert_eq!(side.groups, thirds);
        assert_eq!(side.symbols.len(), 3);
        let names: Vec<_> = side.symbols.iter().map(|symbol| symbol.name.as_str()).collect();
        assert!(names.contains(&"load::board::Named::call"), "{names:?}");
    }

    #[test]
    fn processor_time_is_shared_among_the_samples_of_its_process_only() {
        let taken = parse(RECORDED);
        let first: IsOf = |it| it.thread == it.process;
        let sides = parts(&taken, 3214, 400.0, &[("first", first), ("others", |_| false)]);
        let told: Vec<_> =
            sides.iter().map(|it| (it.name.as_str(), it.nanos, it.samples)).collect();
        assert_eq!(told, [("first", 400.0, 3), ("others", 0.0, 0)]);
    }

    #[test]
    fn a_few_samples_are_no_profile() {
        let side = |name: &str, samples| Side { name: name.into(), samples, ..Side::default() };
        let [much, little] = [side("client", ENOUGH), side("server", ENOUGH - 1)];
        assert_eq!(enough(vec![much.clone()]), Ok(vec![much.clone()]));
        assert_eq!(enough(vec![much, little]), Err("only 99 samples of server".to_owned()));
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!(side("client", &[]), Side { name: "client".into(), ..Side::default() });
    }

    #[test]
    fn holders_are_told_by_processor_the_greatest_first() {
        let all = holders(&parse(RECORDED));
        let told: Vec<_> =
            all.iter().map(|it| (it.processor, it.command.as_str(), it.share)).collect();
        let expected =
            [(0, "load", 0.5), (0, "opt cgu.0", 0.5), (1, "load", 0.75), (1, IDLE, 0.25)];
        assert_eq!(told, expected);
    }

    #[test]
    fn names_are_without_generics() {
        for (symbol, name) in [
            ("<a::B<C, D<E>> as f::G>::h::{{closure}}", "a::B::h"),
            ("a::b::<impl c::D>::e", "a::b::e"),
            ("core::ptr::drop_in_place<core::option::Option<a::B>>", "core::ptr::drop_in_place"),
            ("cfree@GLIBC_2.2.5", "cfree"),
            ("operator<", "operator"),
        ] {
            assert_eq!(short(symbol), name);
        }
    }
}
