use std::{
    future::{Pending, pending},
    sync::atomic::AtomicU32,
    task::Wake,
};

use super::*;

/// A waker that counts.
#[derive(Default)]
struct WakeCounter(AtomicU32);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A task of an account that is polled by hand.
struct Task {
    future: Pin<Box<TurnFuture<Pending<()>>>>,
    meter: Arc<Meter>,
    wakes: Arc<WakeCounter>,
}

impl Task {
    fn new(turns: &Arc<Turns>, account: Account) -> Self {
        let meter = Meter::new(Duration::MAX);
        let future = TurnFuture::new(Arc::clone(turns), account, Arc::clone(&meter), pending());
        Self { future: Box::pin(future), meter, wakes: Arc::default() }
    }

    /// Polls it. Whether it had its turn.
    fn poll(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let _ = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        self.future.ticket.is_none()
    }

    /// It computes until the next tick, and asks for another turn.
    fn give_way(&mut self) {
        self.meter.age();
        let _ = self.meter.tick();
        assert!(!self.poll(), "a task that computes on waits until the others have been polled");
    }

    fn is_woken(&self) -> bool {
        self.wakes.0.swap(0, Relaxed) > 0
    }
}

#[test]
fn turns_are_passed_on_also_by_tasks_that_are_dropped() {
    let turns = Arc::new(Turns::default());
    let account = Account::of(&1);
    let mut tasks: Vec<Task> = (0..4).map(|_| Task::new(&turns, account)).collect();
    assert!(tasks.iter_mut().all(Task::poll), "tasks that were just woken go first");
    tasks.iter_mut().for_each(Task::give_way);
    // One leaves while it waits, one after its turn was granted and before it knew.
    drop(tasks.remove(1));
    let granted = |turns: &Turns| turns.state().grant();
    granted(&turns).unwrap().wake();
    assert!(tasks[0].is_woken() && granted(&turns).is_none(), "one at a time");
    drop(tasks.remove(0));
    granted(&turns).unwrap().wake();
    assert!(tasks[0].is_woken() && tasks[0].poll());
    granted(&turns).unwrap().wake();
    assert!(tasks[1].poll());
    drop(tasks);
    assert_eq!((turns.load(), turns.state().lanes.len()), ((0, 0), 0));
}

#[test]
fn the_next_turn_is_of_the_account_that_has_used_the_least_and_idling_saves_nothing_up() {
    let turns = Arc::new(Turns::default());
    let (first, second) = (Account::of(&1), Account::of(&2));
    let mut flood = Task::new(&turns, first);
    turns.charge(first, Duration::from_secs(2));
    flood.give_way();
    turns.state().grant().unwrap();
    assert!(flood.poll());
    // The second was idle for all that time: it begins where the first was at its last turn, and not at none.
    let mut one = Task::new(&turns, second);
    one.poll();
    turns.charge(second, Duration::from_millis(10));
    one.give_way();
    flood.give_way();
    turns.state().grant().unwrap();
    assert!(!one.poll() && flood.poll(), "the first has used less since");
    flood.give_way();
    // Woken, and far ahead of the first, which waits: it waits like those that compute.
    let mut other = Task::new(&turns, second);
    assert!(!other.poll());
    turns.charge(first, Duration::from_millis(20));
    turns.state().grant().unwrap();
    assert!(one.poll() && !flood.poll());
}

#[test]
fn what_was_used_is_held_against_an_account_that_comes_back() {
    let turns = Arc::new(Turns::default());
    let (first, second) = (Account::of(&1), Account::of(&2));
    let mut other = Task::new(&turns, second);
    drop(Task::new(&turns, first));
    turns.register(first);
    turns.charge(first, Duration::from_secs(1));
    turns.unregister(first, None);
    assert!(Task::new(&turns, first).poll(), "while nobody waits");
    other.give_way();
    assert!(!Task::new(&turns, first).poll());
}
