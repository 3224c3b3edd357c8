//! Guard against getting slower: the allocations of whole calls and of pure paths, against the limits of `costs/limits.txt`.
//!
//! Counts instead of times, so that a busy machine judges as an idle one does. A call runs from its HTTP request to its
//! answer in this process; the API server it reads runs here too, on threads that are not counted. After a change that is
//! meant: `PORTHOLE_COSTS=record cargo xtask test costs`, and review the diff of `costs/limits.txt`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests stop with a panic")]

#[path = "costs/allocator.rs"]
mod allocator;
#[path = "costs/calls.rs"]
mod calls;
#[path = "costs/limits.rs"]
mod limits;
#[path = "costs/paths.rs"]
mod paths;

use std::sync::{Mutex, PoisonError};

use allocator::{Cost, cost_of};
use limits::{Limits, judge};

/// Held by the test that counts, because the counters are those of the process.
static COUNTING: Mutex<()> = Mutex::new(());

#[test]
fn no_path_allocates_more_than_its_limit() {
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut measured = paths::measure();
    measured.extend(calls::measure());
    for (path, Cost { allocations, bytes }) in &measured {
        println!("{path}: {allocations} allocations, {bytes} bytes");
    }
    if std::env::var_os("PORTHOLE_COSTS").is_some_and(|mode| mode == "record") {
        return Limits::record(&measured);
    }
    let findings = Limits::read().findings(&measured);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_tenth_more_allocations_is_refused() {
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let list = paths::list();
    let split = || paths::split(&list, &[]);
    let cost = cost_of(split);
    assert_eq!(judge("a list", cost, cost_of(split)), None);
    let dearer = cost_of(|| {
        let more: Vec<Box<u8>> = (0..cost.allocations.div_ceil(10)).map(|_| Box::new(0)).collect();
        (split(), more)
    });
    let finding = judge("a list", cost, dearer).unwrap();
    assert!(finding.contains("allocations, more") && finding.contains("PORTHOLE_COSTS=record"), "{finding}");
    // A copy of the whole costs one allocation, and is found by its bytes.
    let copied = cost_of(|| (split(), list.clone()));
    let finding = judge("a list", cost, copied).unwrap();
    assert!(finding.contains("bytes, more") && !finding.contains("allocations, more"), "{finding}");
    // A path that became cheaper is recorded too, or a tenth more would be found only beyond the old limit.
    let finding = judge("a list", dearer, cost).unwrap();
    assert!(finding.contains("allocations, less"), "{finding}");
}
