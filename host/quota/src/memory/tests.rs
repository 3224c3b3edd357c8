use super::*;

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn one_caller_never_takes_what_another_needs() {
    let total = MemoryTotal::new(100 * MIB);
    let (greedy, other) = (Account::of(&1), Account::of(&2));
    let first = total.share(greedy);
    first.reserve(40 * MIB).await.unwrap();
    let second = total.share(greedy);
    assert!(second.reserve(20 * MIB).await.is_err(), "over the caller's half");
    total.share(other).reserve(40 * MIB).await.unwrap();
    drop(first);
    let third = total.share(greedy);
    third.reserve(20 * MIB).await.unwrap();
}

#[tokio::test]
async fn all_callers_together_stay_within_the_total() {
    let total = MemoryTotal::new(100 * MIB);
    let shares: Vec<_> = (0..3).map(|caller| total.share(Account::of(&caller))).collect();
    shares[0].reserve(50 * MIB).await.unwrap();
    shares[1].reserve(45 * MIB).await.unwrap();
    let refused = shares[2].reserve(10 * MIB).await.unwrap_err();
    assert!(refused.to_string().contains("100 MiB, `memoryTotal`"), "{refused}");
}

#[tokio::test]
async fn a_share_grows_by_bytes_and_holds_pages() {
    let total = MemoryTotal::new(MIB);
    let share = total.share(Account::HOST);
    for _ in 0..1024 {
        share.reserve(64).await.unwrap();
    }
    assert_eq!(total.all.available_permits(), 15);
    drop(share);
    assert_eq!(total.all.available_permits(), 16);
}

#[tokio::test]
async fn what_can_never_fit_is_refused_at_once() {
    let total = MemoryTotal::new(MIB);
    assert!(total.share(Account::HOST).reserve(u64::MAX).await.is_err());
    assert!(total.share(Account::HOST).reserve(MIB).await.is_err());
}
