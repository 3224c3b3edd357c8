//! Fair scheduling on one thread: woken tasks first, then, of the computing ones, the account with the least time used.
//!
//! As in Linux's CFS, with one simplification: an idle account restarts at the current time of the others, so that
//! idling saves nothing up. Written by hand, because tokio polls in the order of wake-ups, and its semaphores are first
//! come, first served: both favour the caller with the most calls.

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

/// Max idle accounts whose time is remembered; more are forgotten.
const MAX_IDLE: usize = 1024;
/// Max time that an account may lag behind the others; unused time beyond it is lost.
const MAX_LAG: Duration = Duration::from_millis(10);
/// Max time that a woken account may be ahead of a waiting one and still go first: a read or two of its work.
const MAX_LEAD: Duration = Duration::from_millis(5);
/// Processor time above which a call counts as computing, and not only reading.
const HEAVY: Duration = Duration::from_millis(5);

/// A task that waits for its turn.
type Ticket = u64;

/// The turns of one thread.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    /// Tasks, to be counted without the lock.
    tasks: AtomicUsize,
    /// Tasks that have computed for longer than [`HEAVY`].
    heavy: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Accounts that have a task.
    lanes: HashMap<Account, Lane>,
    /// Used time of idle accounts, if above the floor.
    idle: HashMap<Account, Duration>,
    /// Ticket that was granted a turn and has not been polled since.
    granted: Option<Ticket>,
    next_ticket: Ticket,
    /// Used time of the account that had the last turn; an idle account restarts here.
    floor: Duration,
    /// Waker of the dispatcher while it sleeps. Waking it during its yield would cut the yield short.
    dispatcher: Option<Waker>,
}

/// One account's tasks.
#[derive(Default)]
struct Lane {
    /// In the order in which they yielded.
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

    /// Grants turns after all woken tasks and completed reads; an endless task of the same thread.
    pub(super) async fn dispatch(self: Arc<Self>) {
        loop {
            poll_fn(|context| self.state().poll_wanted(context)).await;
            // The runtime polls I/O at each yield. At the first, a connection wakes the call that reads; at the second, it
            // sends that call's next request.
            yield_now().await;
            yield_now().await;
            let next = self.state().grant();
            if let Some(next) = next {
                next.wake();
            }
        }
    }

    /// Registers a task.
    fn register(&self, account: Account) {
        self.tasks.fetch_add(1, Relaxed);
        let mut state = self.state();
        let floor = state.floor;
        let used = state.idle.remove(&account).unwrap_or_default();
        let lane = state.lanes.entry(account).or_default();
        // An account ahead of the floor stays ahead: ending one call and starting another must not reset its time.
        lane.used = lane.used.max(used);
        if lane.tasks == 0 {
            lane.used = lane.used.max(floor);
        }
        lane.tasks = lane.tasks.saturating_add(1);
    }

    /// Takes a turn. Returns the ticket to retry with if others go first.
    fn take(
        &self,
        account: Account,
        ticket: Option<Ticket>,
        yielded: bool,
        waker: &Waker,
    ) -> Result<(), Ticket> {
        let mut state = self.state();
        if let Some(ticket) = ticket {
            if state.granted == Some(ticket) {
                state.granted = None;
                state.wake_dispatcher();
                return Ok(());
            }
            // Woken by something else than the grant.
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
        // A task that yielded always queues. A woken one goes first unless it is far ahead of the queue, so that a call
        // that mostly reads is not delayed by those that compute.
        if !yielded && lane.used <= least.saturating_add(MAX_LEAD) {
            state.floor = floor.max(lane.used);
            return Ok(());
        }
        lane.waiting.push_back((ticket, waker.clone()));
        state.next_ticket = ticket.wrapping_add(1);
        state.wake_dispatcher();
        Err(ticket)
    }

    /// Charges a turn of `time` to the account.
    fn charge(&self, account: Account, time: Duration) {
        if let Some(lane) = self.state().lanes.get_mut(&account) {
            lane.used = lane.used.saturating_add(time);
        }
    }

    /// Unregisters a task, which may be in the queue.
    fn unregister(&self, account: Account, ticket: Option<Ticket>) {
        self.tasks.fetch_sub(1, Relaxed);
        let mut state = self.state();
        // A granted turn that is never polled would block the queue of the thread for ever.
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
            state.remember(account, used);
        }
    }
}

impl State {
    /// Remembers the time of an idle account above the floor.
    fn remember(&mut self, account: Account, used: Duration) {
        let floor = self.floor;
        // Entries at the floor or below say nothing: such an account would restart there anyway.
        if self.idle.len() >= MAX_IDLE {
            self.idle.retain(|_, used| *used > floor);
        }
        if used > floor && self.idle.len() < MAX_IDLE {
            self.idle.insert(account, used);
        }
    }

    /// Wakes the dispatcher, which grants the next turn after the woken tasks.
    fn wake_dispatcher(&mut self) {
        if let Some(dispatcher) = self.dispatcher.take() {
            dispatcher.wake();
        }
    }

    /// Ready if a task waits for a turn and none is granted.
    fn poll_wanted(&mut self, context: &Context<'_>) -> Poll<()> {
        let is_wanted = self.granted.is_none() && self.lanes.values().any(|lane| !lane.waiting.is_empty());
        self.dispatcher = (!is_wanted).then(|| context.waker().clone());
        if is_wanted { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Grants the next turn, unless one is pending.
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

/// A future that is polled only in the turns of its account, each turn metered.
pub(super) struct TurnFuture<F> {
    turns: Arc<Turns>,
    account: Account,
    meter: Arc<Meter>,
    ticket: Option<Ticket>,
    is_heavy: bool,
    future: Pin<Box<F>>,
}

impl<F> TurnFuture<F> {
    pub(super) fn new(turns: Arc<Turns>, account: Account, meter: Arc<Meter>, future: F) -> Self {
        turns.register(account);
        Self { turns, account, meter, ticket: None, is_heavy: false, future: Box::pin(future) }
    }
}

impl<F: Future> Future for TurnFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let yielded = self.meter.take_yielded();
        if let Err(ticket) = self.turns.take(self.account, self.ticket, yielded, context.waker()) {
            self.ticket = Some(ticket);
            return Poll::Pending;
        }
        self.ticket = None;
        let Self { turns, account, meter, is_heavy, future, .. } = &mut *self;
        let turn = Turn::begin(turns, *account, meter);
        let polled = future.as_mut().poll(context);
        drop(turn);
        // Counted once a task: `contention` shortens the tick while such a task runs beside another.
        if !*is_heavy && meter.spent() > HEAVY {
            *is_heavy = true;
            turns.heavy.fetch_add(1, Relaxed);
        }
        polled
    }
}

impl<F> Drop for TurnFuture<F> {
    fn drop(&mut self) {
        self.turns.unregister(self.account, self.ticket);
        if self.is_heavy {
            self.turns.heavy.fetch_sub(1, Relaxed);
        }
    }
}

/// A turn in progress. Dropping it ends it, also if the poll panics.
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
        self.turns.charge(self.account, self.meter.end_turn());
    }
}
