//! Request bodies: read only for a known caller, few at a time, within a time, and never more than a message in memory.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use porthole_identity::Owner;
use porthole_quota::{Account, PerAccount};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::MAX_MESSAGE;

/// How long a body may take, with waiting for its turn. The attack: many bodies that never end, each held in memory.
const READ_TIME: Duration = Duration::from_secs(15);
/// Bodies of one account that are read at once; further ones wait.
const MAX_PER_OWNER: usize = 8;
/// Bodies of any length that are read at once, of all accounts together: 32 MiB at most.
const MAX_LONG: usize = 32;
/// A body that says it is no longer than this needs no place among the long ones, so that those can keep nobody out.
const SHORT: usize = 32 << 10;
/// A longer message is read on to here, without being kept, only to find its id and refuse it by that.
const MAX_DISCARDED: usize = 32 << 20;
/// Bytes of the end of such a message that are kept: most clients write the id last.
const TAIL: usize = 512;

/// The places of bodies that are being read.
#[derive(Clone)]
pub(super) struct Bodies {
    long: Arc<Semaphore>,
    owners: Arc<PerAccount>,
    /// [`READ_TIME`], or less in tests.
    time: Duration,
}

/// Leave to read one body; dropping it gives the place back.
pub(super) struct Permit {
    deadline: Instant,
    _long: Option<OwnedSemaphorePermit>,
    _own: OwnedSemaphorePermit,
}

/// What there is of a body.
#[derive(Debug)]
pub(super) enum Received {
    Whole(Bytes),
    /// It is longer than a message may be: its beginning, and its last bytes.
    TooLong {
        head: Bytes,
        tail: Vec<u8>,
    },
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    /// The caller's other bodies, or all long ones together, took all places for the whole time.
    #[error("too many messages are being received; send this one again in a moment")]
    Busy,
    /// It did not end within [`READ_TIME`].
    #[error("the message did not arrive within {} s", READ_TIME.as_secs())]
    Slow,
    /// The connection broke, or the body is longer than is worth reading.
    #[error("the message broke off, or is far longer than {MAX_MESSAGE} bytes")]
    Broken,
}

impl Bodies {
    pub(super) fn new() -> Self {
        let owners = Arc::new(PerAccount::new(MAX_PER_OWNER));
        Self { long: Arc::new(Semaphore::new(MAX_LONG)), owners, time: READ_TIME }
    }

    /// Waits for leave to read a body of `owner`.
    pub(super) async fn enter(&self, owner: &Owner, headers: &HeaderMap) -> Result<Permit, Unread> {
        let deadline = Instant::now().checked_add(self.time).unwrap_or_else(Instant::now);
        let own = self.owners.of(Account::of(owner));
        let own = timeout_at(deadline, own.acquire_owned()).await;
        let _own = own.map_err(|_| Unread::Busy)?.map_err(|_| Unread::Busy)?;
        let long = if is_short(headers) {
            None
        } else {
            let long = timeout_at(deadline, Arc::clone(&self.long).acquire_owned()).await;
            Some(long.map_err(|_| Unread::Busy)?.map_err(|_| Unread::Busy)?)
        };
        Ok(Permit { deadline, _long: long, _own })
    }
}

/// Whether the length is known, and small. hyper holds a body to the length that it declares.
fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length <= SHORT)
}

impl Permit {
    /// Reads a body.
    pub(super) async fn read(self, mut body: Body) -> Result<Received, Unread> {
        let mut head = BytesMut::new();
        let mut tail: Option<Vec<u8>> = None;
        let mut length = 0_usize;
        loop {
            let frame = match timeout_at(self.deadline, body.frame()).await {
                Err(_) => return Err(Unread::Slow),
                Ok(Some(Err(_))) => return Err(Unread::Broken),
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            length = length.saturating_add(data.len());
            match &mut tail {
                None if length <= MAX_MESSAGE => head.extend_from_slice(&data),
                None => tail = Some(last(&head, &data)),
                Some(tail) => *tail = last(tail, &data),
            }
            if length > MAX_DISCARDED {
                return Err(Unread::Broken);
            }
        }
        Ok(match tail {
            None => Received::Whole(head.freeze()),
            Some(tail) => Received::TooLong { head: head.freeze(), tail },
        })
    }
}

/// The last bytes of two pieces.
fn last(before: &[u8], data: &[u8]) -> Vec<u8> {
    let of = |bytes: &[u8], kept: usize| {
        bytes.get(bytes.len().saturating_sub(kept)..).unwrap_or_default().to_vec()
    };
    let mut tail = of(before, TAIL.saturating_sub(data.len()));
    tail.extend(of(data, TAIL));
    tail
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    fn owner(name: &str) -> Arc<Owner> {
        Arc::new(Owner::new(name, ""))
    }

    /// Places that give up soon.
    fn impatient() -> Bodies {
        Bodies { time: Duration::from_millis(100), ..Bodies::new() }
    }

    fn length(bytes: usize) -> HeaderMap {
        [(header::CONTENT_LENGTH, bytes.into())].into_iter().collect()
    }

    /// A body that comes in pieces.
    fn pieces(pieces: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let permit = impatient().enter(&owner("a"), &HeaderMap::new()).await.unwrap();
        let endless = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(permit.read(endless).await.unwrap_err(), Unread::Slow);
    }

    #[tokio::test]
    async fn one_account_reads_few_bodies_at_once_and_keeps_no_other_out() {
        let bodies = impatient();
        let mut open = Vec::new();
        for _ in 0..MAX_PER_OWNER {
            open.push(bodies.enter(&owner("a"), &HeaderMap::new()).await.unwrap());
        }
        assert_eq!(bodies.enter(&owner("a"), &length(9)).await.err(), Some(Unread::Busy));
        assert!(bodies.enter(&owner("b"), &HeaderMap::new()).await.is_ok());
        // All accounts together hold all places of long bodies, and a short one still gets in.
        let mut n = 0;
        let unread = loop {
            n += 1;
            match bodies.enter(&owner(&n.to_string()), &length(SHORT + 1)).await {
                Ok(permit) => open.push(permit),
                Err(unread) => break unread,
            }
        };
        assert_eq!((unread, open.len()), (Unread::Busy, MAX_LONG));
        assert!(bodies.enter(&owner("b"), &length(SHORT)).await.is_ok());
        open.clear();
        assert!(bodies.enter(&owner("a"), &HeaderMap::new()).await.is_ok());
    }

    #[tokio::test]
    async fn of_a_long_body_its_ends_are_kept() {
        let bodies = Bodies::new();
        let permit = bodies.enter(&owner("a"), &HeaderMap::new()).await.unwrap();
        let mut sent = vec![vec![b'x'; MAX_MESSAGE / 2]; 5];
        sent.push(b"12".to_vec());
        sent.push(b"3".to_vec());
        match permit.read(pieces(sent)).await.unwrap() {
            Received::TooLong { head, tail } => {
                assert_eq!((head.len(), tail.len()), (MAX_MESSAGE, TAIL));
                assert!(tail.ends_with(b"x123"));
            }
            whole => panic!("{} is too long", matches!(whole, Received::Whole(_))),
        }
        let permit = bodies.enter(&owner("a"), &HeaderMap::new()).await.unwrap();
        let endless = pieces(vec![vec![b'x'; 1 << 20]; 40]);
        assert_eq!(permit.read(endless).await.unwrap_err(), Unread::Broken);
        let permit = bodies.enter(&owner("a"), &HeaderMap::new()).await.unwrap();
        assert!(
            matches!(permit.read(pieces(vec![b"{".to_vec(), b"}".to_vec()])).await, Ok(Received::Whole(body)) if body == "{}")
        );
    }
}
