use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

const LIMIT: u32 = 2;

/// Result of a future that is ready when it is first asked.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => Some(ready),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_caller_whose_queue_is_full_is_refused_at_once_and_another_is_not() {
    let permits = Permits::new(Resource::Calls, 64, LIMIT);
    let (flooding, other) = (Owner::new("flooding", ""), Owner::new("other", ""));
    let held = [permits.acquire(&flooding).await.unwrap(), permits.acquire(&flooding).await.unwrap()];
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(permits.acquire(&flooding))).collect();
    assert!(waiting.iter_mut().all(|waiting| at_once(waiting).is_none()), "they wait");
    let busy = PermitError::Caller { resource: Resource::Calls, limit: LIMIT };
    assert_eq!(at_once(permits.acquire(&flooding)).map(|refused| refused.unwrap_err()), Some(busy));
    assert!(at_once(permits.acquire(&other)).is_some_and(|permit| permit.is_ok()));
    drop(waiting);
    drop(held);
    assert!(at_once(permits.acquire(&flooding)).is_some_and(|permit| permit.is_ok()), "it has room again");
}
