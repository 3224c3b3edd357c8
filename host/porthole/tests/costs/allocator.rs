//! Counting allocator: the system's, with the allocations of the process counted except on excluded threads.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one passes every request to the system's"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

/// Runs of a path of which the cheapest counts: what a pool, a table or another thread allocates now and then is not the
/// path's.
const RUNS: usize = 5;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static EXCLUDED: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

/// Allocations of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Number of allocations, with those that grow one.
    pub(crate) allocations: u64,
    /// Allocated bytes.
    pub(crate) bytes: u64,
}

/// Excludes the current thread from the count.
pub(crate) fn exclude_thread() {
    EXCLUDED.set(true);
}

/// Counted allocations so far.
pub(crate) fn counted() -> Cost {
    Cost { allocations: ALLOCATIONS.load(Ordering::SeqCst), bytes: BYTES.load(Ordering::SeqCst) }
}

impl Cost {
    /// Allocations since an earlier count.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { allocations: self.allocations - before.allocations, bytes: self.bytes - before.bytes }
    }

    /// The lesser of both in each count.
    pub(crate) fn at_most(self, other: Self) -> Self {
        Self { allocations: self.allocations.min(other.allocations), bytes: self.bytes.min(other.bytes) }
    }
}

/// Counts a pure path.
pub(crate) fn cost_of<T>(path: impl Fn() -> T) -> Cost {
    let runs = (0..RUNS).map(|_| {
        let before = counted();
        let result = black_box(path());
        let cost = counted().since(before);
        drop(result);
        cost
    });
    runs.reduce(Cost::at_most).unwrap()
}

fn count(bytes: usize) {
    // A thread that ends has no locals any more; what it allocates then is little.
    if EXCLUDED.try_with(Cell::get) == Ok(false) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// SAFETY: every function passes its arguments to the system's allocator unchanged; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
