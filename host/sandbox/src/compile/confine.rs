//! The compiler's own confinement: limits, priority, and no way to files, processes or the network.
//!
//! A child cannot be confined before it starts without unsafe code, so it confines itself before it reads the first byte
//! of a component. What the kernel lacks is left out and named; limits of memory and time hold everywhere.

use std::collections::BTreeMap;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Seconds of processor time. JavaScript and Python need 14 to 21 on a busy machine; a bomb of a megabyte needs minutes.
const CPU_SECONDS: u64 = 60;
/// Seconds between the signal that says so and the end.
const CPU_GRACE: u64 = 5;
/// Address space beyond the memory limit: the program itself, and what allocators reserve without using.
const ADDRESS_SPACE: u64 = 512 << 20;
/// Open files: three streams, one copy of stdin, and what creating a Landlock ruleset needs.
const FILES: u64 = 16;
/// The newest Landlock that is asked for; an older kernel gives what it has.
const LANDLOCK: ABI = ABI::V6;

/// All that is called after confinement, by a program of one thread. Anything else answers EPERM: opening a file, a socket,
/// starting a process or a thread.
const ALLOWED: [libc::c_long; 30] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_membarrier,
];

/// Limits the process, with `memory` bytes of it. Returns what the kernel refused.
pub(super) fn limit(memory: u64) -> Vec<String> {
    let mut missing = Vec::new();
    let mut note = |what: &str, done: Result<(), String>| {
        if let Err(error) = done {
            missing.push(format!("{what}: {error}"));
        }
    };
    // First, because a process that cannot be dumped does not own its files in /proc any more.
    note(
        "oom_score_adj",
        std::fs::write("/proc/self/oom_score_adj", "1000").map_err(|error| error.to_string()),
    );
    let resources = [
        ("RLIMIT_DATA", Resource::Data, memory),
        ("RLIMIT_AS", Resource::As, memory.saturating_add(ADDRESS_SPACE)),
        ("RLIMIT_CPU", Resource::Cpu, CPU_SECONDS),
        ("RLIMIT_NOFILE", Resource::Nofile, FILES),
        ("RLIMIT_FSIZE", Resource::Fsize, 0),
        ("RLIMIT_CORE", Resource::Core, 0),
    ];
    for (name, resource, value) in resources {
        // At the hard limit of time the kernel kills without a word; the soft one says why.
        let grace = if name == "RLIMIT_CPU" { CPU_GRACE } else { 0 };
        let most = value.saturating_add(grace);
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        let limit = Rlimit { current: Some(value.min(most)), maximum: Some(most) };
        note(name, setrlimit(resource, limit).map_err(|error| error.to_string()));
    }
    note("nice", nice(19).map(|_| ()).map_err(|error| error.to_string()));
    note(
        "PR_SET_PDEATHSIG",
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string()),
    );
    note(
        "PR_SET_DUMPABLE",
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string()),
    );
    missing
}

/// Closes files, processes and the network. Landlock and seccomp both set `no_new_privs`.
/// Returns what the kernel refused.
pub(super) fn close() -> Vec<String> {
    let mut missing = Vec::new();
    match landlock() {
        Ok(RulesetStatus::FullyEnforced) => {}
        Ok(status) => missing.push(format!("Landlock: {status:?}")),
        Err(error) => missing.push(format!("Landlock: {error}")),
    }
    if let Err(error) = seccomp() {
        missing.push(format!("seccomp: {error}"));
    }
    missing
}

/// No file can be opened, no port bound or connected, no process outside be signalled.
fn landlock() -> Result<RulesetStatus, landlock::RulesetError> {
    let closed = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()?;
    Ok(closed.ruleset)
}

fn seccomp() -> Result<(), Box<dyn std::error::Error>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    // Signals to itself: abort() sends one.
    let own = u64::from(std::process::id());
    let itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![itself])?]);
    let denied = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let arch = std::env::consts::ARCH.try_into()?;
    let filter: BpfProgram = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch)?.try_into()?;
    seccompiler::apply_filter(&filter)?;
    Ok(())
}
