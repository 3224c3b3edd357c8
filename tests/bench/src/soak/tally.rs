//! Tally of a soak: what came of each call, and which fault explains it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::faults::Fault;

/// Descriptions kept of lost calls.
const MAX_KEPT: usize = 20;

/// Counts of a soak, shared by its clients.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    report: Report,
    windows: Vec<Window>,
}

/// A fault from its begin until a call succeeds again.
struct Window {
    fault: Fault,
    begun: Instant,
    over: Option<Instant>,
}

/// Outcomes of all calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    calls: u64,
    pub(crate) succeeded: u64,
    /// Calls that their client left.
    left: u64,
    /// Calls that failed by a fault, and the time until one succeeded after it.
    explained: BTreeMap<Fault, (u64, Vec<Duration>)>,
    pub(crate) lost: Vec<String>,
    pub(crate) hung: Vec<String>,
}

/// Outcome of a call.
pub(crate) enum Outcome {
    Answered,
    /// An error of the host, or of the way to it.
    Failed(String),
    /// The client left.
    Left,
    /// No answer within the limit.
    Hung,
}

/// A call that has ended.
pub(crate) struct Ended<'c> {
    pub(crate) account: &'c str,
    pub(crate) what: &'c str,
    pub(crate) begun: Instant,
    pub(crate) outcome: Outcome,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call.
    pub(crate) fn count(&self, Ended { account, what, begun, outcome }: Ended<'_>) {
        let mut counts = self.counts();
        let Counts { report, windows } = &mut *counts;
        report.calls += 1;
        match outcome {
            Outcome::Answered => report.succeeded += 1,
            Outcome::Left => report.left += 1,
            Outcome::Hung => report.hung.push(format!("{what} of {account}")),
            Outcome::Failed(error) => {
                let overlaps = |window: &&Window| window.over.is_none_or(|over| over >= begun);
                let explained = windows
                    .iter()
                    .filter(overlaps)
                    .find(|window| window.fault.explains(account, &error))
                    .map(|window| window.fault);
                match explained {
                    Some(fault) => report.explained.entry(fault).or_default().0 += 1,
                    None => report.lost.push(format!("{what} of {account}: {error:.300}")),
                }
            }
        }
    }

    /// Opens the window of a fault.
    pub(crate) fn begin(&self, fault: Fault) {
        self.counts().windows.push(Window { fault, begun: Instant::now(), over: None });
    }

    /// Closes the window of the last fault; `recovery` is the time from its end to the first call that succeeded.
    pub(crate) fn end(&self, recovery: Duration) {
        let mut counts = self.counts();
        let Counts { report, windows } = &mut *counts;
        if let Some(window) = windows.last_mut() {
            window.over = Some(Instant::now());
            report.explained.entry(window.fault).or_default().1.push(recovery);
            println!(
                "{:?}: {:.1} s, recovered in {recovery:.1?}",
                window.fault,
                window.begun.elapsed().as_secs_f64()
            );
        }
    }

    /// Failed calls that a fault explains, so far.
    pub(crate) fn explained(&self, fault: Fault) -> u64 {
        self.counts().report.explained.get(&fault).map_or(0, |(count, _)| *count)
    }

    pub(crate) fn report(&self) -> Report {
        self.counts().report.clone()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, succeeded, left, explained, lost, hung } = self;
        writeln!(
            f,
            "{calls} calls: {succeeded} succeeded, {left} left by their clients, {} lost, {} hung",
            lost.len(),
            hung.len()
        )?;
        writeln!(f, "| fault | turns | calls that failed by it | slowest recovery |\n|---|---|---|---|")?;
        for (fault, (count, recoveries)) in explained {
            let slowest = recoveries.iter().max().copied().unwrap_or_default();
            writeln!(f, "| {} | {} | {count} | {slowest:.1?} |", fault.name(), recoveries.len())?;
        }
        for (word, calls) in [("lost", lost), ("hung", hung)] {
            for call in calls.iter().take(MAX_KEPT) {
                writeln!(f, "{word}: {call}")?;
            }
        }
        Ok(())
    }
}
