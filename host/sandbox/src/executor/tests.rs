use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::sync::oneshot;

use super::*;
use crate::meter::thread_time;

/// A meter that stops nothing.
fn meter() -> Arc<Meter> {
    Meter::new(Duration::from_secs(600))
}

/// Computes for about this long on the thread's own clock, as often as that, and gives way each time as at a tick.
fn busy(meter: &Arc<Meter>, turns: u32, time: Duration) -> impl Future<Output = ()> + use<> {
    let (meter, mut left) = (Arc::clone(meter), turns);
    poll_fn(move |context| {
        let began = thread_time();
        while thread_time().saturating_sub(began) < time {}
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        meter.age();
        let _ = meter.tick();
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

#[tokio::test]
async fn a_caller_with_one_call_does_not_stand_behind_all_of_anothers() {
    let executor = Executor::start().unwrap();
    let turns = Arc::new(AtomicU32::new(0));
    let flood: Vec<_> = (0..32)
        .map(|_| {
            let (turns, meter) = (Arc::clone(&turns), meter());
            executor.spawn(Account::of(&"flood"), Arc::clone(&meter), async move {
                for _ in 0..20 {
                    busy(&meter, 2, Duration::from_millis(1)).await;
                    turns.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    while turns.load(Relaxed) < 4 {
        tokio::task::yield_now().await;
    }
    let meter = meter();
    let other = busy(&meter, 3, Duration::from_micros(100));
    executor.spawn(Account::of(&"other"), meter, other).await.unwrap();
    // First come, first served would have run all 32 in between, three times.
    let before_it = turns.load(Relaxed);
    for task in flood {
        task.await.unwrap();
    }
    assert!(before_it < 96, "{before_it} of 640 turns");
    assert_eq!(turns.load(Relaxed), 640);
}

#[tokio::test]
async fn a_task_that_is_dropped_is_ended_and_a_panic_reaches_who_waits() {
    struct OnDrop(Option<oneshot::Sender<()>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let executor = Executor::start().unwrap();
    let (ended, end) = oneshot::channel();
    let guard = OnDrop(Some(ended));
    let task = executor.spawn(Account::HOST, meter(), async move {
        let _guard = guard;
        pending::<()>().await;
    });
    drop(task);
    end.await.unwrap();
    let panicking = executor.spawn(Account::HOST, meter(), async { panic!("a tool's fault") });
    assert!(panicking.await.unwrap_err().is_panic());
    // Its turn came back.
    for _ in 0..100 {
        executor.spawn(Account::HOST, meter(), async {}).await.unwrap();
    }
}

#[tokio::test]
async fn an_executor_that_is_gone_drops_its_tasks() {
    let executor = Executor::start().unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let task = {
        let begun = Arc::clone(&begun);
        executor.spawn(Account::HOST, meter(), async move {
            begun.store(true, Relaxed);
            tokio::time::sleep(Duration::from_secs(600)).await;
        })
    };
    while !begun.load(Relaxed) {
        tokio::task::yield_now().await;
    }
    drop(executor);
    assert!(task.await.unwrap_err().is_cancelled());
}
