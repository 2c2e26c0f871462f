//! What `perf script` prints. Pure.

/// One sample: who had a processor, and in which functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) command: String,
    pub(super) process: u32,
    pub(super) thread: u32,
    pub(super) processor: u32,
    /// The innermost first.
    pub(super) frames: Vec<Frame>,
}

/// A function on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) is_kernel: bool,
    pub(super) symbol: String,
}

/// What [`parse`] reads, as an argument of `perf script`.
pub(super) const FIELDS: &str = "comm,pid,tid,cpu,ip,sym";

/// Reads all samples; what is no sample is left out.
pub(super) fn parse(text: &str) -> Vec<Taken> {
    text.split("\n\n").filter_map(sample).collect()
}

/// `command 12/34 [001]`, then a line for each function.
fn sample(text: &str) -> Option<Taken> {
    let mut lines = text.trim_matches('\n').lines();
    let (rest, processor) = lines.next()?.trim().rsplit_once(' ')?;
    let processor = processor.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    // A command may have spaces itself.
    let (command, ids) = rest.trim().rsplit_once(' ')?;
    let (process, thread) = ids.split_once('/')?;
    Some(Taken {
        command: command.trim().to_owned(),
        process: process.parse().ok()?,
        thread: thread.parse().ok()?,
        processor,
        frames: lines.filter_map(frame).collect(),
    })
}

fn frame(line: &str) -> Option<Frame> {
    let (address, symbol) = line.trim().split_once(' ')?;
    let is_kernel = address.len() == KERNEL_DIGITS && address.starts_with(KERNEL);
    Some(Frame { is_kernel, symbol: symbol.trim().to_owned() })
}

/// How addresses of the kernel begin, and their length.
const KERNEL: &str = "ffff";
const KERNEL_DIGITS: usize = 16;

/// Recorded, and shortened.
#[cfg(test)]
pub(super) const RECORDED: &str = "\
load 3214/3214 [001] 
\tffffffff82203249 _raw_spin_unlock_irqrestore
\tffffffff81e3513e sock_def_readable
\tffffffff82021445 tcp_data_queue
\tffffffff81000130 entry_SYSCALL_64_after_hwframe
\t    7f7666654b58 __send

load 3210/3210 [000] 
\t          3d1a20 <callboard_actors::server::session::ServerRole as callboard_actors::transport::pump::Role>::receive

load 3214/3214 [001] 
\tffffffff817a4413 _copy_to_iter
\tffffffff8201030f tcp_recvmsg_locked

swapper     0/0     [001] 
\tffffffff821f0ab3 pv_native_safe_halt

opt cgu.0 16215/16541 [000] 
\t         897fa46 llvm::LazyValueInfo::getPredicateAt
\t               0 [unknown]

load 3214/3214 [001] 
\t          2b1a20 <load::board::Named as callboard_benches::worker::Caller>::call::{{closure}}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_functions() {
        let taken = parse(RECORDED);
        assert_eq!(taken.len(), 6);
        let who = |taken: &Taken| (taken.command.clone(), taken.process, taken.thread);
        assert_eq!(who(&taken[0]), ("load".into(), 3214, 3214));
        assert_eq!(who(&taken[4]), ("opt cgu.0".into(), 16215, 16541));
        assert_eq!((taken[3].processor, taken[3].command.as_str()), (1, "swapper"));
        let frames = &taken[0].frames;
        assert_eq!(frames[1], Frame { is_kernel: true, symbol: "sock_def_readable".into() });
        assert_eq!(frames[4], Frame { is_kernel: false, symbol: "__send".into() });
        assert!(!taken[4].frames[1].is_kernel);
    }

    #[test]
    fn what_is_no_sample_is_left_out() {
        assert_eq!(parse("# a comment\n\n\nload 12 [000]\n\nload 1/2 nowhere\n"), []);
    }
}
