//! Request bodies: read for authenticated callers only, with limits on concurrency, time and memory.

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

/// Maximum time to receive a body, including the wait for a permit. Attack: many bodies that never end, each in memory.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum number of bodies read concurrently per account; further ones wait.
const MAX_BODIES_PER_OWNER: usize = 8;
/// Maximum number of long bodies read concurrently by all accounts: 32 MiB at most.
const MAX_LONG_BODIES: usize = 32;
/// Maximum declared length of a body that needs no permit for long ones, so that long bodies cannot block short ones.
const MAX_SHORT: usize = 32 << 10;
/// Maximum length that is received of an oversized message. The excess is discarded; it is read only to find the id for
/// the error.
const MAX_DISCARDED: usize = 32 << 20;
/// Bytes kept from the end of an oversized message: most clients write the id last.
const TAIL_BYTES: usize = 512;

/// Permits for bodies that are being read.
#[derive(Clone)]
pub(super) struct BodyPermits {
    long: Arc<Semaphore>,
    owners: Arc<PerAccount>,
    /// [`READ_TIMEOUT`], or less in tests.
    time: Duration,
}

/// Permit to read one body; released on drop.
pub(super) struct Permit {
    deadline: Instant,
    _long: Option<OwnedSemaphorePermit>,
    _own: OwnedSemaphorePermit,
}

/// A received body.
#[derive(Debug)]
pub(super) enum ReceivedBody {
    Whole(Bytes),
    /// The body exceeds the message limit: its first and last bytes.
    TooLong {
        head: Bytes,
        tail: Vec<u8>,
    },
}

/// Error when a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// No permit became available in time: the caller's other bodies, or all long ones, hold them.
    #[error("too many messages are being received; send this one again in a moment")]
    Busy,
    /// The body did not end within [`READ_TIMEOUT`].
    #[error("the message did not arrive within {} s", READ_TIMEOUT.as_secs())]
    Slow,
    /// The connection broke, or the body exceeds [`MAX_DISCARDED`].
    #[error("the message broke off, or is far longer than {MAX_MESSAGE} bytes")]
    Broken,
}

impl BodyPermits {
    pub(super) fn new() -> Self {
        let owners = Arc::new(PerAccount::new(MAX_BODIES_PER_OWNER));
        Self { long: Arc::new(Semaphore::new(MAX_LONG_BODIES)), owners, time: READ_TIMEOUT }
    }

    /// Acquires a permit to read a body of `owner`.
    pub(super) async fn acquire(&self, owner: &Owner, headers: &HeaderMap) -> Result<Permit, ReadError> {
        let deadline = Instant::now().checked_add(self.time).unwrap_or_else(Instant::now);
        let own = self.owners.of(Account::of(owner));
        let own = timeout_at(deadline, own.acquire_owned()).await;
        let _own = own.map_err(|_| ReadError::Busy)?.map_err(|_| ReadError::Busy)?;
        let long = if is_short(headers) {
            None
        } else {
            let long = timeout_at(deadline, Arc::clone(&self.long).acquire_owned()).await;
            Some(long.map_err(|_| ReadError::Busy)?.map_err(|_| ReadError::Busy)?)
        };
        Ok(Permit { deadline, _long: long, _own })
    }
}

/// True if the declared length is at most [`MAX_SHORT`]. hyper enforces the declared length.
fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length <= MAX_SHORT)
}

impl Permit {
    /// Reads a body, and releases the permit.
    pub(super) async fn read(self, mut body: Body) -> Result<ReceivedBody, ReadError> {
        let mut head = BytesMut::new();
        let mut tail: Option<Vec<u8>> = None;
        let mut length = 0_usize;
        loop {
            let frame = match timeout_at(self.deadline, body.frame()).await {
                Err(_) => return Err(ReadError::Slow),
                Ok(Some(Err(_))) => return Err(ReadError::Broken),
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            length = length.saturating_add(data.len());
            match &mut tail {
                None if length <= MAX_MESSAGE => head.extend_from_slice(&data),
                None => tail = Some(tail_of(&head, &data)),
                Some(tail) => *tail = tail_of(tail, &data),
            }
            if length > MAX_DISCARDED {
                return Err(ReadError::Broken);
            }
        }
        Ok(match tail {
            None => ReceivedBody::Whole(head.freeze()),
            Some(tail) => ReceivedBody::TooLong { head: head.freeze(), tail },
        })
    }
}

/// Last [`TAIL_BYTES`] bytes of two pieces.
fn tail_of(before: &[u8], data: &[u8]) -> Vec<u8> {
    let of = |bytes: &[u8], kept: usize| {
        bytes.get(bytes.len().saturating_sub(kept)..).unwrap_or_default().to_vec()
    };
    let mut tail = of(before, TAIL_BYTES.saturating_sub(data.len()));
    tail.extend(of(data, TAIL_BYTES));
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

    /// Permits with a short timeout.
    fn with_short_timeout() -> BodyPermits {
        BodyPermits { time: Duration::from_millis(100), ..BodyPermits::new() }
    }

    fn length(bytes: usize) -> HeaderMap {
        [(header::CONTENT_LENGTH, bytes.into())].into_iter().collect()
    }

    /// A body of several frames.
    fn pieces(pieces: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let permit = with_short_timeout().acquire(&owner("a"), &HeaderMap::new()).await.unwrap();
        let endless = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(permit.read(endless).await.unwrap_err(), ReadError::Slow);
    }

    #[tokio::test]
    async fn one_account_reads_few_bodies_at_once_and_keeps_no_other_out() {
        let bodies = with_short_timeout();
        let mut open = Vec::new();
        for _ in 0..MAX_BODIES_PER_OWNER {
            open.push(bodies.acquire(&owner("a"), &HeaderMap::new()).await.unwrap());
        }
        assert_eq!(bodies.acquire(&owner("a"), &length(9)).await.err(), Some(ReadError::Busy));
        assert!(bodies.acquire(&owner("b"), &HeaderMap::new()).await.is_ok());
        // Long bodies of all accounts hold every permit, and a short one is still read.
        let mut n = 0;
        let error = loop {
            n += 1;
            match bodies.acquire(&owner(&n.to_string()), &length(MAX_SHORT + 1)).await {
                Ok(permit) => open.push(permit),
                Err(error) => break error,
            }
        };
        assert_eq!((error, open.len()), (ReadError::Busy, MAX_LONG_BODIES));
        assert!(bodies.acquire(&owner("b"), &length(MAX_SHORT)).await.is_ok());
        open.clear();
        assert!(bodies.acquire(&owner("a"), &HeaderMap::new()).await.is_ok());
    }

    #[tokio::test]
    async fn of_a_long_body_its_ends_are_kept() {
        let bodies = BodyPermits::new();
        let permit = bodies.acquire(&owner("a"), &HeaderMap::new()).await.unwrap();
        let mut sent = vec![vec![b'x'; MAX_MESSAGE / 2]; 5];
        sent.push(b"12".to_vec());
        sent.push(b"3".to_vec());
        match permit.read(pieces(sent)).await.unwrap() {
            ReceivedBody::TooLong { head, tail } => {
                assert_eq!((head.len(), tail.len()), (MAX_MESSAGE, TAIL_BYTES));
                assert!(tail.ends_with(b"x123"));
            }
            whole => panic!("{} is too long", matches!(whole, ReceivedBody::Whole(_))),
        }
        let permit = bodies.acquire(&owner("a"), &HeaderMap::new()).await.unwrap();
        let endless = pieces(vec![vec![b'x'; 1 << 20]; 40]);
        assert_eq!(permit.read(endless).await.unwrap_err(), ReadError::Broken);
        let permit = bodies.acquire(&owner("a"), &HeaderMap::new()).await.unwrap();
        assert!(
            matches!(permit.read(pieces(vec![b"{".to_vec(), b"}".to_vec()])).await, Ok(ReceivedBody::Whole(body)) if body == "{}")
        );
    }
}
