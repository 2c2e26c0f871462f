//! The profiles of bars that are missed: where the difference goes.

mod stalls;

use super::table;
use crate::bars::Bar;
use crate::number::digits;
use crate::profile::cases::Case;
use crate::profile::{Group, Holder, Profile, Profiles, Side, Symbol};

/// A table of processor time by what it is for, and the functions, for each case with a missed bar
/// or that is always told.
pub(super) fn render(profiles: &Profiles, bars: &[Bar]) -> String {
    let missed: Vec<&Bar> = bars.iter().filter(|bar| bar.is_met() == Some(false)).collect();
    if let Some(why) = &profiles.note {
        return format!("## Profiles\n\nThere are no profiles: {why}.\n\n");
    }
    let cases = Case::all();
    let is_taken = |case: &Case| profiles.all.iter().any(|it| it.case == case.title);
    let is_told = |case: &&Case| {
        missed.iter().any(|bar| case.concerns(bar)) || case.is_always_told && is_taken(case)
    };
    if missed.is_empty() && !cases.iter().any(|case| is_told(&case)) {
        return String::new();
    }
    if profiles.all.is_empty() {
        return "## Profiles\n\nThere are no profiles: none have been taken.\n\n".to_owned();
    }
    let mut text = introduction(profiles);
    for case in cases.iter().filter(is_told) {
        let own: Vec<&Bar> = missed.iter().copied().filter(|bar| case.concerns(bar)).collect();
        text.push_str(&render_case(case, profiles, &own));
    }
    let is_alone = |bar: &&&Bar| !cases.iter().any(|case| is_shown(case, profiles, bar));
    let unseen: Vec<String> = missed.iter().filter(is_alone).map(|bar| said(bar)).collect();
    let end = match unseen.join("; ") {
        unseen if unseen.is_empty() => unseen,
        unseen => format!("Not met, and without a profile: {unseen}.\n\n"),
    };
    text + &end
}

/// Whether all profiles are there by which the bar can be judged.
fn is_shown(case: &Case, profiles: &Profiles, bar: &Bar) -> bool {
    let is_there =
        |name: &str| profiles.find(&case.title, name).is_some_and(|it| it.note.is_none());
    case.concerns(bar) && case.needed(bar).all(|way| is_there(&way.name))
}

fn introduction(profiles: &Profiles) -> String {
    format!(
        "## Profiles\n\nOf the bars that are not met, and in any case of p99 at half of the peak: what \
         each side does with its processor. Sampled \
         with `perf` (`cpu-clock`, some 4,000 times a second, for a second) on {} UTC at {}, each \
         while it ran as it is measured; shares of the samples times the processor time per call of \
         that very run, so a sum is comparable to what the run took and not to the medians of \
         tables. A function counts where the compiler has put it: what is inlined is a part of the \
         function around it. Samples of the kernel belong to the innermost function that says what \
         it is for, with a locked part at its end.\n\n",
        profiles.date, profiles.commit,
    )
}

fn render_case(case: &Case, profiles: &Profiles, missed: &[&Bar]) -> String {
    let found: Vec<&Profile> =
        case.ways.iter().filter_map(|way| profiles.find(&case.title, &way.name)).collect();
    let missed: Vec<String> = missed.iter().map(|bar| said(bar)).collect();
    let columns: Vec<(String, &Side)> = found.iter().flat_map(|it| columns(it)).collect();
    let missed = match missed.join("; ") {
        missed if missed.is_empty() => "Its bars are met or were not measured this time".to_owned(),
        missed => format!("Not met: {missed}"),
    };
    let mut parts = vec![format!("### {}\n\n{missed}.\n\n", case.title)];
    parts.extend(found.iter().filter_map(|profile| {
        let why = profile.note.as_ref()?;
        Some(format!("No profile of {}: {why}.\n\n", profile.system))
    }));
    if !columns.is_empty() {
        parts.extend([groups(case.per, &columns), delays(&columns)]);
        parts.extend(found.iter().flat_map(|profile| holders(profile)));
        parts.push("<details><summary>functions</summary>\n\n".to_owned());
        parts.extend(columns.iter().map(|(name, side)| symbols(name, side)));
        parts.push("</details>\n\n".to_owned());
    }
    parts.push(stalls::render(&found));
    parts.concat()
}

fn said(bar: &Bar) -> String {
    let measured = bar.told();
    format!("{}, {}: {measured}", bar.subject, bar.demanded())
}

/// Of each side its name and itself; with a single one the system's name says all.
fn columns(profile: &Profile) -> Vec<(String, &Side)> {
    let name = |side: &Side| match &profile.sides[..] {
        [_] => profile.system.clone(),
        _ => format!("{}, {}", profile.system, side.name),
    };
    profile.sides.iter().map(|side| (name(side), side)).collect()
}

fn groups(per: &str, columns: &[(String, &Side)]) -> String {
    let mut head = vec![format!("ns per {per}")];
    head.extend(columns.iter().map(|(name, _)| name.clone()));
    let row = |name: &str, share: &dyn Fn(&Side) -> f64| {
        let cell = |(_, side): &(String, &Side)| {
            let share = share(side);
            if share > 0.0 { digits(side.nanos * share) } else { "–".to_owned() }
        };
        std::iter::once(name.to_owned()).chain(columns.iter().map(cell)).collect::<Vec<_>>()
    };
    let is_there = |group: &&Group| columns.iter().any(|(_, side)| side.share(**group) > 0.0);
    let mut rows: Vec<_> = Group::ALL
        .iter()
        .filter(is_there)
        .map(|group| row(group.name(), &|side| side.share(*group)))
        .collect();
    rows.push(row("**together**", &|_| 1.0));
    table(&head, &rows)
}

/// For how long each could have run and did not.
fn delays(columns: &[(String, &Side)]) -> String {
    let held: Vec<String> = columns
        .iter()
        .filter(|(_, side)| side.delayed > 0.0 || side.taken > 0.0)
        .map(|(name, side)| {
            let (share, taken) = (digits(side.delayed * 100.0), digits(side.taken));
            format!("{name} {share} %, {taken}")
        })
        .collect();
    if held.is_empty() {
        return String::new();
    }
    format!(
        "Share of the time in which it was runnable but not running (another program had its \
         processor, or it was being woken), and how often a second its processor was taken away: \
         {}.\n\n",
        held.join("; "),
    )
}

/// A line for each processor.
fn holders(profile: &Profile) -> Vec<String> {
    let by_processor =
        profile.holders.chunk_by(|one, next| one.processor == next.processor).map(|holders| {
            let share = |it: &Holder| format!("{} {} %", it.command, digits(it.share * 100.0));
            let shares: Vec<String> = holders.iter().take(HOLDERS).map(share).collect();
            let (system, processor, shares) =
                (&profile.system, holders[0].processor, shares.join(", "));
            format!("With {system}, processor {processor} was had by: {shares}.\n\n")
        });
    by_processor.collect()
}

fn symbols(name: &str, side: &Side) -> String {
    let said = |symbol: &Symbol| format!("`{}` {}", symbol.name, digits(side.nanos * symbol.share));
    let symbols: Vec<String> = side.symbols.iter().map(said).collect();
    format!("*{name}* ({} samples): {}.\n\n", side.samples, symbols.join(", "))
}

/// Of each processor, those who had most of it.
const HOLDERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::bars;
    use crate::point::Point;
    use crate::profile::{Seen, Stalls};
    use crate::record::tests::comparison;

    fn profile(case: &str, system: &str) -> Profile {
        let symbol = Symbol { name: "tcp_ack".into(), share: 0.1 };
        let side = Side {
            name: "client".into(),
            nanos: 400.0,
            samples: 100,
            delayed: 0.025,
            taken: 4.0,
            groups: vec![(Group::Network, 0.75), (Group::Clock, 0.25)],
            symbols: vec![symbol],
        };
        let server = Side { name: "server".into(), nanos: 200.0, ..Side::default() };
        let (case, system) = (case.to_owned(), system.to_owned());
        Profile { case, system, sides: vec![side, server], ..Profile::default() }
    }

    #[test]
    fn a_missed_bar_has_its_profile() {
        let rates: &[(&str, &[f64])] = &[("callboard", &[20.0]), ("tarpc", &[10.0])];
        let bars = bars(&comparison(Point::InFlight(256), rates), &[]);
        let case = "Calls, 256 in flight";
        let mut one = profile(case, "callboard");
        one.holders = vec![Holder { processor: 1, command: "load".into(), share: 0.5 }];
        let all = vec![one, profile(case, "tarpc")];
        let text = render(&Profiles { all, ..Profiles::default() }, &bars);
        for part in [
            "### Calls, 256 in flight\n\nNot met: calls/s, 256 in flight, at least 6.00 x tarpc: 2.00.",
            "| ns per call | callboard, client | callboard, server | tarpc, client | tarpc, server |",
            "| system: TCP and loopback | 300 | – | 300 | – |\n| reading the clock | 100 | – |",
            "| **together** | 400 | 200 | 400 | 200 |",
            "runnable but not running (another program had its processor, or it was being woken)",
            "was taken away: callboard, client 2.50 %, 4.00; tarpc, client 2.50 %, 4.00.",
            "With callboard, processor 1 was had by: load 50.0 %.",
            "*callboard, client* (100 samples): `tcp_ack` 40.0.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("### Calls, 64 in flight"));
    }

    #[test]
    fn a_missed_bar_without_a_profile_is_named() {
        let rates: &[(&str, &[f64])] = &[("callboard", &[20.0]), ("floor", &[100.0])];
        let bars = bars(&comparison(Point::OneWay, rates), &[]);
        let all = vec![profile("Calls, 256 in flight", "callboard")];
        let text = render(&Profiles { all, ..Profiles::default() }, &bars);
        let part = "without a profile: one-way, messages/s, at least 0.60 x floor: 0.20.";
        assert!(text.contains(part), "{text}");
    }

    #[test]
    fn a_missed_bar_whose_profile_failed_is_named() {
        let rates: &[(&str, &[f64])] =
            &[("callboard", &[20.0]), ("floor", &[100.0]), ("tarpc", &[10.0])];
        let bars = bars(&comparison(Point::InFlight(256), rates), &[]);
        let case = "Calls, 256 in flight";
        let mut failed = profile(case, "tarpc");
        (failed.sides, failed.note) = (vec![], Some("only 3 samples of server".to_owned()));
        let all = ["callboard", "floor"].map(|system| profile(case, system));
        let all = all.into_iter().chain([failed]).collect();
        let text = render(&Profiles { all, ..Profiles::default() }, &bars);
        assert!(text.contains("No profile of tarpc: only 3 samples of server."), "{text}");
        let (_, unseen) = text.split_once("without a profile: ").unwrap();
        assert_eq!(unseen, "calls/s, 256 in flight, at least 6.00 x tarpc: 2.00.\n\n");
    }

    #[test]
    fn what_made_calls_late_is_told_although_the_bars_are_met() {
        let this = comparison(Point::Offered(50), &[("callboard", &[20.0])]);
        let bars = bars(&this, &[]);
        assert!(!bars.iter().any(|bar| bar.is_met() == Some(false)));
        let all = |title: &str| Profiles {
            all: vec![Profile {
                stalls: Some(Stalls::Seen(Seen::default())),
                ..profile(title, "callboard")
            }],
            ..Profiles::default()
        };
        let text = render(&all("p99 at 50 % of own peak"), &bars);
        assert!(text.contains("Its bars are met or were not measured this time."), "{text}");
        assert!(text.contains("| a run of its own | callboard |"), "{text}");
        assert_eq!(render(&all("Calls, 64 in flight"), &bars), "");
        assert_eq!(render(&Profiles::default(), &bars), "");
    }

    #[test]
    fn stalls_are_told_without_samples_too() {
        let point = Point::Offered(50);
        let mut this = comparison(point, &[("callboard", &[20.0])]);
        for sample in this.runs.iter_mut().filter_map(|run| run.sample.as_mut()) {
            sample.p99 = 9.0 * sample.p50;
        }
        let stalls = Some(Stalls::Seen(Seen::default()));
        let note = Some("only 3 samples of server".to_owned());
        let title = "p99 at 50 % of own peak";
        let failed = Profile { sides: vec![], note, stalls, ..profile(title, "callboard") };
        let text =
            render(&Profiles { all: vec![failed], ..Profiles::default() }, &bars(&this, &[]));
        assert!(text.contains("| a run of its own | callboard |"), "{text}");
    }

    #[test]
    fn where_nothing_can_be_sampled_it_says_so() {
        let note = Some("perf: not found".to_owned());
        let text = render(&Profiles { note, ..Profiles::default() }, &[]);
        assert_eq!(text, "## Profiles\n\nThere are no profiles: perf: not found.\n\n");
        assert_eq!(render(&Profiles::default(), &[]), "");
        let rates: &[(&str, &[f64])] = &[("callboard", &[20.0]), ("floor", &[100.0])];
        let missed = bars(&comparison(Point::OneWay, rates), &[]);
        let text = render(&Profiles::default(), &missed);
        assert_eq!(text, "## Profiles\n\nThere are no profiles: none have been taken.\n\n");
    }
}
