//! Failed attempts: how many unknown tokens one address may have reviewed, so that guessing does not reach the API server.
//!
//! A token bucket of our own, not a crate: what is counted is failures, so an attempt is taken beforehand (a thousand at
//! once must not all pass) and given back if the token was good. `governor` cannot give back.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::future::Cache;
use tokio::time::Instant;

/// Unknown tokens that one address may have reviewed at once.
const BURST: f64 = 20.0;
/// How long until an address that has used up its attempts has all of them again.
pub(super) const REFILL: Duration = Duration::from_secs(10);
/// A proxy or a port-forward on this machine stands for many clients.
const LOOPBACK_FACTOR: f64 = 10.0;
/// Addresses whose attempts are counted. The attack: an account with many addresses fills the host's memory.
const MAX_ADDRESSES: u64 = 10_000;

/// The attempts of all addresses.
pub(super) struct Attempts(Cache<IpAddr, Arc<Mutex<Bucket>>>);

/// The attempts that an address has left, and when they were counted.
struct Bucket {
    left: f64,
    counted: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_ADDRESSES).time_to_idle(REFILL).build())
    }

    /// Takes an attempt; false if none is left.
    pub(super) async fn take(&self, peer: IpAddr) -> bool {
        self.take_at(peer, Instant::now()).await
    }

    /// Takes an attempt, and waits a second for one: a burst of good tokens gives them back as they are reviewed.
    pub(super) async fn take_soon(&self, peer: IpAddr) -> bool {
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
        let most = most(peer);
        let bucket = self.bucket(peer, now).await;
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = now.saturating_duration_since(bucket.counted).as_secs_f64() / REFILL.as_secs_f64();
        bucket.left = (bucket.left + refilled * most).min(most);
        bucket.counted = now;
        let taken = bucket.left >= 1.0;
        if taken {
            bucket.left -= 1.0;
        }
        taken
    }

    /// Gives an attempt back: it was not a guess.
    pub(super) async fn give_back(&self, peer: IpAddr) {
        let bucket = self.bucket(peer, Instant::now()).await;
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.left = (bucket.left + 1.0).min(most(peer));
    }

    async fn bucket(&self, peer: IpAddr, now: Instant) -> Arc<Mutex<Bucket>> {
        let new = async { Arc::new(Mutex::new(Bucket { left: most(peer), counted: now })) };
        self.0.get_with(network(peer), new).await
    }
}

fn most(peer: IpAddr) -> f64 {
    if peer.to_canonical().is_loopback() { BURST * LOOPBACK_FACTOR } else { BURST }
}

/// What is counted as one address: of IPv6 the network of 64 bits, which one customer has to himself.
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
}
