//! Turns on one thread: tasks that were woken go first, then of those that compute the account that has used least.
//!
//! As Linux's CFS did it, with one simplification: an account that was idle begins again at the time of the others, so
//! that waiting earns nothing that could be spent at once. By hand: tokio polls whoever was woken first, and its semaphores
//! serve whoever came first, which is the caller with the most calls.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use porthole_quota::Account;
use tokio::task::yield_now;

use crate::meter::Meter;

/// Idle accounts whose time is still held against them; more are forgotten.
const MAX_IDLE: usize = 1024;
/// Time that an account may be behind the others: what it did not use while there was nobody else earns no more.
const MAX_LAG: Duration = Duration::from_millis(10);
/// Time that an account may be ahead of one that waits, and still go first when it is woken: a read or two of its work.
const MAX_LEAD: Duration = Duration::from_millis(5);
/// From here on a call computes, and does not only read.
const HEAVY: Duration = Duration::from_millis(5);

/// A task that waits for its turn.
type Ticket = u64;

/// The turns of one thread.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    /// Tasks, to be counted without the lock.
    tasks: AtomicUsize,
    /// Those that have computed for a while, and may go on so.
    heavy: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Accounts that have a task.
    lanes: HashMap<Account, Lane>,
    /// Time of idle accounts that is ahead of the floor.
    idle: HashMap<Account, Duration>,
    /// The ticket whose turn has come, and whose task does not know it yet.
    granted: Option<Ticket>,
    next_ticket: Ticket,
    /// The time of the account that had the last turn: where an idle one begins again.
    floor: Duration,
    /// The dispatcher, while it sleeps: woken in its yield it would not yield.
    dispatcher: Option<Waker>,
}

/// One account's tasks.
#[derive(Default)]
struct Lane {
    /// In the order in which they gave way.
    waiting: VecDeque<(Ticket, Waker)>,
    tasks: usize,
    used: Duration,
}

impl Turns {
    /// Load of the thread: tasks that compute, and all tasks.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.heavy.load(Relaxed), self.tasks.load(Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants turns, behind all tasks that are woken and those whose read has arrived: a task of the same thread, without end.
    pub(super) async fn dispatch(self: Arc<Self>) {
        loop {
            poll_fn(|context| self.state().poll_wanted(context)).await;
            // In each the runtime looks for what has arrived. In the first a connection wakes the call that reads, in the
            // second it sends what that call asks for next.
            yield_now().await;
            yield_now().await;
            let next = self.state().grant();
            if let Some(next) = next {
                next.wake();
            }
        }
    }

    /// Counts a task in.
    fn enter(&self, account: Account) {
        self.tasks.fetch_add(1, Relaxed);
        let mut state = self.state();
        let floor = state.floor;
        let used = state.idle.remove(&account).unwrap_or_default();
        let lane = state.lanes.entry(account).or_default();
        lane.used = lane.used.max(used);
        if lane.tasks == 0 {
            lane.used = lane.used.max(floor);
        }
        lane.tasks = lane.tasks.saturating_add(1);
    }

    /// Takes a turn. Err with the ticket to come back with, where others go first.
    fn take(
        &self,
        account: Account,
        ticket: Option<Ticket>,
        gave_way: bool,
        waker: &Waker,
    ) -> Result<(), Ticket> {
        let mut state = self.state();
        if let Some(ticket) = ticket {
            if state.granted == Some(ticket) {
                state.granted = None;
                state.wake_dispatcher();
                return Ok(());
            }
            // Woken by something else.
            let mut waiting = state.lanes.get_mut(&account).into_iter().flat_map(|lane| &mut lane.waiting);
            if let Some((_, known)) = waiting.find(|(waiting, _)| *waiting == ticket) {
                known.clone_from(waker);
            }
            return Err(ticket);
        }
        let waiting = state.lanes.values().filter(|lane| !lane.waiting.is_empty());
        let least = waiting.map(|lane| lane.used).min().unwrap_or(Duration::MAX);
        let floor = state.floor;
        let ticket = state.next_ticket;
        let lane = state.lanes.entry(account).or_default();
        lane.used = lane.used.max(floor.saturating_sub(MAX_LAG));
        if !gave_way && lane.used <= least.saturating_add(MAX_LEAD) {
            state.floor = floor.max(lane.used);
            return Ok(());
        }
        lane.waiting.push_back((ticket, waker.clone()));
        state.next_ticket = ticket.wrapping_add(1);
        state.wake_dispatcher();
        Err(ticket)
    }

    /// Ends a turn that took `time`.
    fn give_back(&self, account: Account, time: Duration) {
        if let Some(lane) = self.state().lanes.get_mut(&account) {
            lane.used = lane.used.saturating_add(time);
        }
    }

    /// Counts a task out, which may have waited.
    fn leave(&self, account: Account, ticket: Option<Ticket>) {
        self.tasks.fetch_sub(1, Relaxed);
        let mut state = self.state();
        if ticket.is_some() && state.granted == ticket {
            state.granted = None;
            state.wake_dispatcher();
        }
        let Some(lane) = state.lanes.get_mut(&account) else { return };
        lane.waiting.retain(|(waiting, _)| Some(*waiting) != ticket);
        lane.tasks = lane.tasks.saturating_sub(1);
        if lane.tasks == 0 {
            let used = lane.used;
            state.lanes.remove(&account);
            state.rest(account, used);
        }
    }
}

impl State {
    /// Remembers what an account has used beyond the floor.
    fn rest(&mut self, account: Account, used: Duration) {
        let floor = self.floor;
        if self.idle.len() >= MAX_IDLE {
            self.idle.retain(|_, used| *used > floor);
        }
        if used > floor && self.idle.len() < MAX_IDLE {
            self.idle.insert(account, used);
        }
    }

    /// Lets the dispatcher grant the next turn, once the tasks that were woken have been polled.
    fn wake_dispatcher(&mut self) {
        if let Some(dispatcher) = self.dispatcher.take() {
            dispatcher.wake();
        }
    }

    /// Ready when somebody waits for a turn, and none is granted.
    fn poll_wanted(&mut self, context: &Context<'_>) -> Poll<()> {
        let is_wanted = self.granted.is_none() && self.lanes.values().any(|lane| !lane.waiting.is_empty());
        self.dispatcher = (!is_wanted).then(|| context.waker().clone());
        if is_wanted { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Grants the next turn, unless one is granted already.
    fn grant(&mut self) -> Option<Waker> {
        if self.granted.is_some() {
            return None;
        }
        let waiting = self.lanes.values_mut().filter(|lane| !lane.waiting.is_empty());
        let lane = waiting.min_by_key(|lane| lane.used)?;
        let (ticket, waker) = lane.waiting.pop_front()?;
        self.floor = self.floor.max(lane.used);
        self.granted = Some(ticket);
        Some(waker)
    }
}

/// A future that is polled in the turns of its account only, each turn on its meter.
pub(super) struct InTurn<F> {
    turns: Arc<Turns>,
    account: Account,
    meter: Arc<Meter>,
    ticket: Option<Ticket>,
    is_heavy: bool,
    future: Pin<Box<F>>,
}

impl<F> InTurn<F> {
    pub(super) fn new(turns: Arc<Turns>, account: Account, meter: Arc<Meter>, future: F) -> Self {
        turns.enter(account);
        Self { turns, account, meter, ticket: None, is_heavy: false, future: Box::pin(future) }
    }
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let gave_way = self.meter.take_gave_way();
        if let Err(ticket) = self.turns.take(self.account, self.ticket, gave_way, context.waker()) {
            self.ticket = Some(ticket);
            return Poll::Pending;
        }
        self.ticket = None;
        let Self { turns, account, meter, is_heavy, future, .. } = &mut *self;
        let turn = Turn::begin(turns, *account, meter);
        let polled = future.as_mut().poll(context);
        drop(turn);
        if !*is_heavy && meter.spent() > HEAVY {
            *is_heavy = true;
            turns.heavy.fetch_add(1, Relaxed);
        }
        polled
    }
}

impl<F> Drop for InTurn<F> {
    fn drop(&mut self) {
        self.turns.leave(self.account, self.ticket);
        if self.is_heavy {
            self.turns.heavy.fetch_sub(1, Relaxed);
        }
    }
}

/// A turn under way. Dropping it ends it, also where the poll panics.
struct Turn<'t> {
    turns: &'t Turns,
    account: Account,
    meter: &'t Meter,
}

impl<'t> Turn<'t> {
    fn begin(turns: &'t Turns, account: Account, meter: &'t Meter) -> Self {
        meter.begin_turn();
        Self { turns, account, meter }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.give_back(self.account, self.meter.end_turn());
    }
}
