//! Fair queue of tasks: the next one is of the account that has used the least processor time.
//!
//! As Linux's CFS did it, with one simplification: an account that was idle begins again at the time of the others, so
//! that waiting earns nothing that could be spent at once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_task::Runnable;

use crate::account::Account;

/// Idle accounts whose time is still held against them; more are forgotten.
const MAX_IDLE: usize = 1024;

/// Tasks that wait for a thread.
#[derive(Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    more: Condvar,
}

#[derive(Default)]
struct Lanes {
    by_account: HashMap<Account, Lane>,
    /// The time of the account that had the last turn: where an idle one begins again.
    floor: Duration,
    closed: bool,
}

/// One account's tasks, in the order in which they woke.
#[derive(Default)]
struct Lane {
    ready: VecDeque<Runnable>,
    running: usize,
    used: Duration,
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.running == 0
    }
}

impl Queue {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task that has woken. After [`close`](Self::close) it is dropped, and its future with it.
    pub(super) fn push(&self, account: Account, runnable: Runnable) {
        let mut lanes = self.lanes();
        if lanes.closed {
            // Dropping a future wakes others: never under the lock.
            drop(lanes);
            drop(runnable);
            return;
        }
        lanes.lane(account).ready.push_back(runnable);
        drop(lanes);
        self.more.notify_one();
    }

    /// Waits for a task. None once the queue is closed.
    pub(super) fn next(&self) -> Option<(Account, Runnable)> {
        let mut lanes = self.lanes();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(next) = lanes.next() {
                return Some(next);
            }
            lanes = self.more.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that a task of the account has run for `time`.
    pub(super) fn ran(&self, account: Account, time: Duration) {
        if let Some(lane) = self.lanes().by_account.get_mut(&account) {
            lane.running = lane.running.saturating_sub(1);
            lane.used = lane.used.saturating_add(time);
        }
    }

    /// Ends the threads that wait, and drops what was not run.
    pub(super) fn close(&self) {
        let mut lanes = self.lanes();
        lanes.closed = true;
        let left = std::mem::take(&mut lanes.by_account);
        drop(lanes);
        drop(left);
        self.more.notify_all();
    }
}

impl Lanes {
    fn lane(&mut self, account: Account) -> &mut Lane {
        let floor = self.floor;
        if self.by_account.len() >= MAX_IDLE && !self.by_account.contains_key(&account) {
            self.by_account.retain(|_, lane| !lane.is_idle());
        }
        let lane = self.by_account.entry(account).or_default();
        if lane.is_idle() {
            lane.used = lane.used.max(floor);
        }
        lane
    }

    /// A scan: there are no more lanes with tasks than calls in flight.
    fn next(&mut self) -> Option<(Account, Runnable)> {
        let waiting = self.by_account.iter_mut().filter(|(_, lane)| !lane.ready.is_empty());
        let (account, lane) = waiting.min_by_key(|(_, lane)| lane.used)?;
        let runnable = lane.ready.pop_front()?;
        lane.running = lane.running.saturating_add(1);
        self.floor = self.floor.max(lane.used);
        Some((*account, runnable))
    }
}
