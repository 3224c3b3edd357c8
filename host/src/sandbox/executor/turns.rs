//! Turns at the processors: the next one goes to the account that has used the least time.
//!
//! As Linux's CFS did it, with one simplification: an account that was idle begins again at the time of the others, so
//! that waiting earns nothing that could be spent at once. By hand: the semaphores of tokio and its like serve whoever
//! came first, which is the caller with the most calls.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::thread_time;
use crate::account::Account;

/// Idle accounts whose time is still held against them; more are forgotten.
const MAX_IDLE: usize = 1024;

/// Time that an account may be behind the others: what it did not use while processors were free earns no more.
const MAX_LAG: Duration = Duration::from_millis(500);

/// A task that waits for its turn.
type Ticket = u64;

/// The turns of one executor.
pub(super) struct Turns {
    state: Mutex<State>,
    /// Tasks that wait for a turn, to be looked at without the lock.
    waiting: AtomicUsize,
}

struct State {
    /// Turns that nobody has.
    free: usize,
    lanes: HashMap<Account, Lane>,
    /// Tickets whose turn has come, and whose task does not know it yet.
    granted: HashSet<Ticket>,
    next_ticket: Ticket,
    /// The time of the account that had the last turn: where an idle one begins again.
    floor: Duration,
}

/// One account's tasks.
#[derive(Default)]
struct Lane {
    /// In the order in which they woke.
    waiting: VecDeque<(Ticket, Waker)>,
    /// Turns that the account has now.
    turns: usize,
    used: Duration,
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.turns == 0
    }
}

impl Turns {
    pub(super) fn new(processors: usize) -> Arc<Self> {
        let state = State {
            free: processors,
            lanes: HashMap::new(),
            granted: HashSet::new(),
            next_ticket: 0,
            floor: Duration::ZERO,
        };
        Arc::new(Self { state: Mutex::new(state), waiting: AtomicUsize::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task waits for a turn.
    pub(super) fn are_wanted(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// Takes a turn. Err with the ticket to come back with where there is none.
    fn take(&self, account: Account, ticket: Option<Ticket>, waker: &Waker) -> Result<(), Ticket> {
        let mut state = self.state();
        if let Some(ticket) = ticket {
            if state.granted.remove(&ticket) {
                return Ok(());
            }
            // Woken by something else.
            let mut waiting = state.lanes.get_mut(&account).into_iter().flat_map(|lane| &mut lane.waiting);
            if let Some((_, known)) = waiting.find(|(waiting, _)| *waiting == ticket) {
                known.clone_from(waker);
            }
            return Err(ticket);
        }
        if state.free > 0 {
            state.free = state.free.saturating_sub(1);
            let lane = state.lane(account);
            lane.turns = lane.turns.saturating_add(1);
            state.floor = state.floor.max(state.lane(account).used);
            return Ok(());
        }
        let ticket = state.next_ticket;
        state.next_ticket = ticket.wrapping_add(1);
        state.lane(account).waiting.push_back((ticket, waker.clone()));
        self.waiting.fetch_add(1, Relaxed);
        Err(ticket)
    }

    /// Gives a turn back after it took `time`, and wakes whose turn it is.
    fn give_back(&self, account: Account, time: Duration) {
        let mut state = self.state();
        let floor = state.floor;
        if let Some(lane) = state.lanes.get_mut(&account) {
            lane.turns = lane.turns.saturating_sub(1);
            lane.used = lane.used.saturating_add(time).max(floor.saturating_sub(MAX_LAG));
        }
        let next = state.grant();
        drop(state);
        if let Some(next) = next {
            self.waiting.fetch_sub(1, Relaxed);
            next.wake();
        }
    }

    /// Forgets a task that is dropped while it waits.
    fn forget(&self, account: Account, ticket: Ticket) {
        let mut state = self.state();
        if state.granted.remove(&ticket) {
            drop(state);
            self.give_back(account, Duration::ZERO);
        } else if let Some(lane) = state.lanes.get_mut(&account) {
            lane.waiting.retain(|(waiting, _)| *waiting != ticket);
            self.waiting.fetch_sub(1, Relaxed);
        }
    }
}

impl State {
    fn lane(&mut self, account: Account) -> &mut Lane {
        let floor = self.floor;
        if self.lanes.len() >= MAX_IDLE && !self.lanes.contains_key(&account) {
            self.lanes.retain(|_, lane| !lane.is_idle());
        }
        let lane = self.lanes.entry(account).or_default();
        if lane.is_idle() {
            lane.used = lane.used.max(floor);
        }
        lane
    }

    /// Passes a turn on. A scan: there are no more lanes with tasks than calls in flight.
    fn grant(&mut self) -> Option<Waker> {
        let waiting = self.lanes.values_mut().filter(|lane| !lane.waiting.is_empty());
        let Some(lane) = waiting.min_by_key(|lane| lane.used) else {
            self.free = self.free.saturating_add(1);
            return None;
        };
        let (ticket, waker) = lane.waiting.pop_front()?;
        lane.turns = lane.turns.saturating_add(1);
        self.floor = self.floor.max(lane.used);
        self.granted.insert(ticket);
        Some(waker)
    }
}

/// A future that is polled in the turns of `account` only.
pub(super) fn in_turn<F: Future>(turns: Arc<Turns>, account: Account, future: F) -> InTurn<F> {
    InTurn { turns, account, ticket: None, future: Box::pin(future) }
}

/// See [`in_turn`].
pub(super) struct InTurn<F> {
    turns: Arc<Turns>,
    account: Account,
    ticket: Option<Ticket>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Err(ticket) = self.turns.take(self.account, self.ticket, context.waker()) {
            self.ticket = Some(ticket);
            return Poll::Pending;
        }
        self.ticket = None;
        // Given back also where the poll panics.
        let _turn = Turn { turns: Arc::clone(&self.turns), account: self.account, began: thread_time() };
        self.future.as_mut().poll(context)
    }
}

impl<F> Drop for InTurn<F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.turns.forget(self.account, ticket);
        }
    }
}

/// A turn under way.
struct Turn {
    turns: Arc<Turns>,
    account: Account,
    began: Duration,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_back(self.account, thread_time().saturating_sub(self.began));
    }
}
