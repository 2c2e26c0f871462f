//! What a function works for. Pure.

use serde::{Deserialize, Serialize};

use super::script::Frame;

/// What processor time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    Copying,
    Network,
    Waking,
    SystemCall,
    Faults,
    Kernel,
    Clock,
    Moves,
    Allocation,
    Buffers,
    Utf8,
    Coding,
    Client,
    Connection,
    Node,
    Selection,
    Topics,
    Callboard,
    Actix,
    Tokio,
    Own,
    Generator,
    Libraries,
    Standard,
    Other,
}

impl Group {
    /// All of them, in the order of tables.
    pub(crate) const ALL: [Self; 25] = [
        Self::Copying,
        Self::Network,
        Self::Waking,
        Self::SystemCall,
        Self::Faults,
        Self::Kernel,
        Self::Clock,
        Self::Moves,
        Self::Allocation,
        Self::Buffers,
        Self::Utf8,
        Self::Coding,
        Self::Client,
        Self::Connection,
        Self::Node,
        Self::Selection,
        Self::Topics,
        Self::Callboard,
        Self::Actix,
        Self::Tokio,
        Self::Own,
        Self::Generator,
        Self::Libraries,
        Self::Standard,
        Self::Other,
    ];

    /// What tables say.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copying => "system: copying to and from sockets",
            Self::Network => "system: TCP and loopback",
            Self::Waking => "system: waking, waiting, scheduling",
            Self::SystemCall => "system: entering and leaving calls",
            Self::Faults => "system: page faults and mapping",
            Self::Kernel => "system: interrupts and all else",
            Self::Clock => "reading the clock",
            Self::Moves => "copying and comparing memory",
            Self::Allocation => "allocation",
            Self::Buffers => "references on buffers (`bytes`)",
            Self::Utf8 => "UTF-8 check",
            Self::Coding => "encoding, decoding, framing",
            Self::Client => "callboard: client",
            Self::Connection => "callboard: connection",
            Self::Node => "callboard: node",
            Self::Selection => "callboard: registry and selection",
            Self::Topics => "callboard: topics",
            Self::Callboard => "callboard: engine and all else",
            Self::Actix => "actix",
            Self::Tokio => "tokio",
            Self::Own => "the yardstick's or rival's own",
            Self::Generator => "load generator, with the calls inlined into it",
            Self::Libraries => "other libraries, of whomever",
            Self::Standard => "standard library, of whomever",
            Self::Other => "other",
        }
    }

    /// That of a sample, by its functions, the innermost first.
    ///
    /// Within the kernel the innermost that says anything decides: a lock belongs to whom it is
    /// taken for. Elsewhere only the innermost counts, as stacks are not to be trusted there.
    pub(super) fn of(frames: &[Frame]) -> Self {
        match frames.first() {
            Some(frame) if frame.is_kernel => {
                let kernel = frames.iter().take_while(|frame| frame.is_kernel);
                let mut groups = kernel.filter_map(|frame| of_kernel(&frame.symbol));
                groups.next().unwrap_or(Self::Kernel)
            }
            Some(frame) => of_program(&frame.symbol),
            None => Self::Other,
        }
    }
}

/// By how a name of the kernel begins; the first rule that fits.
fn of_kernel(symbol: &str) -> Option<Group> {
    let fits = |begins: &&str| symbol.starts_with(*begins);
    KERNEL.iter().find(|(_, names)| names.iter().any(fits)).map(|(group, _)| *group)
}

/// By the path that comes first in a name, and of those that begin at the same place the longest:
/// `<A as B>::method` belongs to A.
fn of_program(symbol: &str) -> Group {
    let paths = PROGRAM.iter().flat_map(|(group, paths)| paths.iter().map(move |it| (*group, *it)));
    let found = paths.filter_map(|(group, path)| {
        let place = symbol.find(path)?;
        Some((place, usize::MAX - path.len(), group))
    });
    let first = found.min_by_key(|(place, shortness, _)| (*place, *shortness));
    let standard = || {
        if STANDARD.iter().any(|it| symbol.contains(it)) { Group::Standard } else { Group::Other }
    };
    first.map_or_else(standard, |(_, _, group)| group)
}

const KERNEL: &[(Group, &[&str])] = &[
    (
        Group::Copying,
        &[
            "_copy_to_iter",
            "_copy_from_iter",
            "__check_object_size",
            "__skb_datagram_iter",
            "copy_user",
            "rep_movs",
            "simple_copy_to_iter",
            "skb_copy",
        ],
    ),
    (
        Group::Waking,
        &[
            "__schedule",
            "__switch",
            "__wake_up",
            "__x64_sys_epoll",
            "do_epoll",
            "do_futex",
            "ep_",
            "eventfd",
            "finish_task_switch",
            "futex",
            "pv_native_safe_halt",
            "schedule",
            "sock_def_",
            "switch_",
            "try_to_wake",
            "ttwu",
            "wake_up",
        ],
    ),
    (
        Group::Faults,
        &[
            "__x64_sys_brk",
            "__x64_sys_madvise",
            "__x64_sys_m",
            "asm_exc_page_fault",
            "clear_page",
            "do_anonymous_page",
            "do_user_addr_fault",
            "exc_page_fault",
            "handle_mm_fault",
            "unmap_",
            "zap_",
        ],
    ),
    (
        Group::Network,
        &[
            "__alloc_skb",
            "__dev",
            "__inet",
            "__ip",
            "__local_bh",
            "__napi",
            "__netif",
            "__sk",
            "__sock",
            "__sys_recv",
            "__sys_send",
            "__tcp",
            "__x64_sys_recv",
            "__x64_sys_send",
            "__x64_sys_write",
            "bbr_",
            "consume_skb",
            "dev_",
            "do_softirq",
            "inet",
            "ip_",
            "ipv4",
            "kfree_skb",
            "lock_sock",
            "loopback",
            "napi",
            "net",
            "nf_",
            "process_backlog",
            "release_sock",
            "sk_",
            "skb",
            "sock",
            "tcp",
            "validate_xmit",
        ],
    ),
    (Group::Kernel, &["asm_common_interrupt", "asm_sysvec", "irq_exit", "perf_", "sysvec"]),
    (
        Group::SystemCall,
        &[
            "__x64_sys",
            "do_syscall_64",
            "entry_SYSCALL",
            "fdget",
            "srso",
            "syscall",
            "x64_sys_call",
        ],
    ),
];

const PROGRAM: &[(Group, &[&str])] = &[
    (Group::Clock, &["clock_gettime", "unix::time::Timespec", "std::time::"]),
    (Group::Moves, &["__memcmp", "__memcpy", "__memmove", "__memset"]),
    (
        Group::Allocation,
        &[
            "__libc_calloc",
            "__rust_",
            "_int_free",
            "_int_malloc",
            "_int_realloc",
            "alloc::raw_vec",
            "cfree",
            "malloc",
            "realloc",
            "unlink_chunk",
        ],
    ),
    (Group::Buffers, &["bytes::"]),
    (Group::Utf8, &["core::str::converts::from_utf8", "core::str::validations"]),
    (
        Group::Coding,
        &[
            "bincode::",
            "callboard::codec::",
            "callboard::handler::delivery::decode",
            "callboard::wire::",
            "callboard_benches::by_hand::wire::",
            "callboard_benches::floor::put_frame",
            "callboard_benches::floor::take_frame",
            "serde",
            "tokio_serde",
            "tokio_util::codec",
        ],
    ),
    (
        Group::Client,
        // The last is `service(name).send`, inlined into who calls it.
        &["callboard::client::", "callboard_actors::client::", "load::board::"],
    ),
    (Group::Connection, &["callboard::transport::", "callboard_actors::transport::"]),
    (Group::Node, &["callboard::handler::", "callboard::request::", "callboard_actors::server::"]),
    (
        Group::Selection,
        &["callboard::registry::", "callboard_actors::registry::", "callboard_actors::selector::"],
    ),
    (
        Group::Topics,
        &[
            "callboard::broker::",
            "callboard::event::",
            "callboard::topic::",
            "callboard_actors::broker::",
        ],
    ),
    (Group::Callboard, &["callboard::", "callboard_actors::"]),
    (Group::Actix, &["actix::", "actix_rt::"]),
    (Group::Tokio, &["mio::", "tokio::", "tokio_util::"]),
    (
        Group::Own,
        &[
            "callboard_benches::by_hand::",
            "callboard_benches::floor::",
            "load::by_hand::",
            "load::floor::",
            "load::plain::",
            // What of it is inlined into its caller, as with the others.
            "peers::tarpc::",
            "tarpc::",
        ],
    ),
    (Group::Generator, &["callboard_benches::", "growth::", "load::", "micro::", "peers::"]),
    (Group::Libraries, &["futures_", "hashbrown::", "tracing::"]),
];

/// Where a name says no more than that.
const STANDARD: [&str; 3] = ["alloc::", "core::", "std::"];

#[cfg(test)]
mod tests {
    use super::super::script::{RECORDED, parse};
    use super::*;

    #[test]
    fn samples_belong_to_whom_they_work_for() {
        let groups: Vec<_> = parse(RECORDED).iter().map(|it| Group::of(&it.frames)).collect();
        let (waking, copying) = (Group::Waking, Group::Copying);
        let expected = [waking, Group::Node, copying, waking, Group::Other, Group::Client];
        assert_eq!(groups, expected);
        assert_eq!(Group::of(&[]), Group::Other);
    }

    #[test]
    fn what_stands_first_in_a_name_decides() {
        for (symbol, group) in [
            ("<tarpc::server::Requests<C> as futures_core::stream::Stream>::poll_next", Group::Own),
            ("core::ptr::drop_in_place<callboard::client::future::State<load::E>>", Group::Client),
            ("<callboard::wire::encode::FrameEncoder as a::Encoder>::encode", Group::Coding),
            ("callboard_actors::context::runner::Runner<A>::turn", Group::Callboard),
            ("callboard_benches::floor::take_frame", Group::Coding),
            ("callboard_benches::by_hand::wire::put_message", Group::Coding),
            ("<load::by_hand::Asking as a::Caller>::call::{{closure}}", Group::Own),
            ("callboard_benches::floor::Multiplexed::call::{{closure}}", Group::Own),
            ("<std::sys::pal::unix::time::Timespec>::sub_timespec", Group::Clock),
            ("load::board::Named::call", Group::Client),
            ("peers::tarpc::Client::call::{{closure}}", Group::Own),
            ("callboard_benches::worker::drive::drive", Group::Generator),
            ("hashbrown::raw::RawTable<T,A>::reserve_rehash", Group::Libraries),
            ("futures_util::stream::futures_unordered::FuturesUnordered::poll", Group::Libraries),
            ("tracing::span::Span::enter", Group::Libraries),
            ("tokio::runtime::task::raw::poll", Group::Tokio),
            ("cfree@GLIBC_2.2.5", Group::Allocation),
            ("__memmove_avx512_unaligned_erms", Group::Moves),
            ("alloc::sync::Arc<T,A>::drop_slow", Group::Standard),
            ("main", Group::Other),
        ] {
            assert_eq!(of_program(symbol), group, "{symbol}");
        }
    }

    #[test]
    fn every_group_is_in_tables_once() {
        assert!(Group::ALL.is_sorted() && Group::ALL.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(Group::ALL[Group::ALL.len() - 1], Group::Other);
    }
}
