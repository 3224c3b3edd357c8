//! Cost of masking, run by hand: `cargo test --release -p porthole-cluster --lib logs::bench -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "measured values are for people to read")]

use std::time::Instant;

use porthole_contract::LogQuery;

use super::{Masking, TimeSlice, lines::Lines};

#[test]
#[ignore = "a measurement"]
fn masking_a_log_of_30_mb() {
    let mut log = Vec::new();
    for n in 0_u64.. {
        let line = format!(
            "2026-11-29T07:{:02}:{:02}.123Z INFO handler: request served method=GET path=/api/v1/items/{n} status=200 duration_ms={} trace={:016x} user=\"shop-{}\"\n",
            n / 60 % 60,
            n % 60,
            n % 977,
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            n % 31
        );
        log.extend_from_slice(line.as_bytes());
        if log.len() > 30 << 20 {
            break;
        }
    }
    for masking in [Masking::Off, Masking::Mask, Masking::Off, Masking::Mask] {
        let mut lines = Lines::new(&LogQuery::default(), None, masking, 40 << 20);
        let began = Instant::now();
        for chunk in log.chunks(64 << 10) {
            lines.feed(chunk, &mut 0, TimeSlice::unlimited());
        }
        let took = began.elapsed();
        println!("{masking:?}: {:.0} MB/s", log.len() as f64 / 1e6 / took.as_secs_f64());
    }
}
