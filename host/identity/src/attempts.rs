//! Rate limit for unknown tokens per address, so that guessing does not reach the API server.
//!
//! A hand-written token bucket: only failures count, so an attempt is taken beforehand (a thousand concurrent ones must
//! not all pass) and returned if the token was good. `governor` cannot return one.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::future::Cache;
use tokio::time::Instant;

/// Burst of unknown tokens that one address may have reviewed.
const BURST: f64 = 20.0;
/// Time until an exhausted bucket is full again.
pub(super) const REFILL: Duration = Duration::from_secs(10);
/// Factor for loopback: a proxy or a port-forward on this machine stands for many clients.
const LOOPBACK_FACTOR: f64 = 10.0;
/// Max addresses with a bucket. The attack: a client with many addresses fills the host's memory.
const MAX_ADDRESSES: u64 = 10_000;

/// Buckets of all addresses.
pub(super) struct Attempts(Cache<IpAddr, Arc<Mutex<Bucket>>>);

/// Attempts left for an address, and the time of the last refill.
struct Bucket {
    left: f64,
    refilled_at: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_ADDRESSES).time_to_idle(REFILL).build())
    }

    /// Takes an attempt; `false` if none is left.
    pub(super) async fn take(&self, peer: IpAddr) -> bool {
        self.take_at(peer, Instant::now()).await
    }

    /// Takes an attempt; waits up to a second for one, because a burst of good tokens returns them as they are
    /// reviewed.
    pub(super) async fn take_or_wait(&self, peer: IpAddr) -> bool {
        const TRIES: u32 = 20;
        for _ in 0..TRIES {
            if self.take(peer).await {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1) / TRIES).await;
        }
        false
    }

    async fn take_at(&self, peer: IpAddr, now: Instant) -> bool {
        let max = max_attempts(peer);
        let bucket = self.bucket(peer, now).await;
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = now.saturating_duration_since(bucket.refilled_at).as_secs_f64() / REFILL.as_secs_f64();
        bucket.left = (bucket.left + refilled * max).min(max);
        bucket.refilled_at = now;
        let taken = bucket.left >= 1.0;
        if taken {
            bucket.left -= 1.0;
        }
        taken
    }

    /// Returns an attempt that turned out not to be a guess.
    pub(super) async fn give_back(&self, peer: IpAddr) {
        let bucket = self.bucket(peer, Instant::now()).await;
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.left = (bucket.left + 1.0).min(max_attempts(peer));
    }

    async fn bucket(&self, peer: IpAddr, now: Instant) -> Arc<Mutex<Bucket>> {
        let new = async { Arc::new(Mutex::new(Bucket { left: max_attempts(peer), refilled_at: now })) };
        self.0.get_with(network(peer), new).await
    }
}

fn max_attempts(peer: IpAddr) -> f64 {
    if peer.to_canonical().is_loopback() { BURST * LOOPBACK_FACTOR } else { BURST }
}

/// The key of a bucket: for IPv6 the /64 network, because one customer usually owns all of it.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(attempts: &Attempts, peer: &str, tries: usize, now: Instant) -> usize {
        let mut taken = 0;
        for _ in 0..tries {
            taken += usize::from(attempts.take_at(peer.parse().unwrap(), now).await);
        }
        taken
    }

    #[tokio::test]
    async fn an_address_has_twenty_attempts_and_has_them_again_later() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        assert_eq!(taken(&attempts, "192.0.2.1", 1000, now).await, 20);
        assert_eq!(taken(&attempts, "192.0.2.2", 5, now).await, 5, "another address");
        let later = now + REFILL / 2;
        assert_eq!(taken(&attempts, "192.0.2.1", 1000, later).await, 10);
        attempts.give_back("192.0.2.1".parse().unwrap()).await;
        assert_eq!(taken(&attempts, "192.0.2.1", 1000, later).await, 1);
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        for (peer, expected) in [
            ("2001:db8::1", 15),
            ("2001:db8::ffff:2", 5),
            ("2001:db8:0:1::2", 15),
            ("::ffff:192.0.2.9", 15),
            ("192.0.2.9", 5),
        ] {
            assert_eq!(taken(&attempts, peer, 15, now).await, expected, "{peer}");
        }
    }

    #[tokio::test]
    async fn loopback_stands_for_many() {
        assert_eq!(taken(&Attempts::new(), "127.0.0.1", 1000, Instant::now()).await, 200);
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_back_meanwhile_is_waited_for() {
        let (attempts, peer) = (Attempts::new(), "192.0.2.1".parse().unwrap());
        while attempts.take(peer).await {}
        let (taken, ()) = tokio::join!(attempts.take_or_wait(peer), attempts.give_back(peer));
        assert!(taken);
    }
}
