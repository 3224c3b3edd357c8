use std::future::{Pending, pending};

use super::*;

/// A task of an account that is polled by hand.
struct Task(Pin<Box<InTurn<Pending<()>>>>);

impl Task {
    fn new(turns: &Arc<Turns>, account: Account) -> Self {
        Self(Box::pin(in_turn(Arc::clone(turns), account, pending())))
    }

    /// Whether a poll got a turn: then it has no ticket left.
    fn poll(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = self.0.as_mut().poll(&mut context);
    }
}

#[test]
fn turns_are_passed_on_also_by_tasks_that_are_dropped() {
    let turns = Turns::new(1);
    let account = Account::of(&1);
    let waker = Waker::noop();
    turns.take(account, None, waker).unwrap();
    assert!(!turns.are_wanted());
    let mut waiting: Vec<Task> = (0..3).map(|_| Task::new(&turns, account)).collect();
    waiting.iter_mut().for_each(Task::poll);
    // One leaves while it waits, one after its turn was granted and before it knew.
    drop(waiting.remove(1));
    turns.give_back(account, Duration::ZERO);
    assert!(turns.take(account, None, waker).is_err(), "granted to the first");
    drop(waiting.remove(0));
    waiting[0].poll();
    // What it gave back went to the one that had asked in between.
    assert!(!turns.are_wanted());
    turns.give_back(account, Duration::ZERO);
    turns.take(account, None, waker).unwrap();
}

#[test]
fn the_next_turn_is_of_the_account_that_has_used_the_least_and_idling_saves_nothing_up() {
    let turns = Turns::new(1);
    let (first, second) = (Account::of(&1), Account::of(&2));
    let waker = Waker::noop();
    for _ in 0..3 {
        turns.take(first, None, waker).unwrap();
        turns.give_back(first, Duration::from_secs(1));
    }
    turns.take(Account::HOST, None, waker).unwrap();
    // The second was idle for all that time: it begins where the first was at its last turn, two seconds, and not at none.
    let waits = |account| turns.take(account, None, waker).unwrap_err();
    let (of_first, of_second) = (waits(first), waits(second));
    turns.give_back(Account::HOST, Duration::ZERO);
    turns.take(second, Some(of_second), waker).unwrap();
    let again = waits(second);
    turns.give_back(second, Duration::from_millis(1100));
    assert!(turns.take(second, Some(again), waker).is_err());
    turns.take(first, Some(of_first), waker).unwrap();
}
