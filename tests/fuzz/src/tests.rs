use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    TARGETS, Target,
    mutations::{Random, mutated},
};

/// Variants of each seed.
const VARIANTS: usize = 300;
/// All of the corpus together; it is text to be read.
const MAX_CORPUS: u64 = 300 << 10;
const MAX_SEED: u64 = 4 << 10;

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}

/// The files of a target, by name.
fn files(kind: &str, target: &Target) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(kind).join(target.name)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs one input; a panic is told with the name of the seed, and the input is kept to be looked at.
fn run(target: &Target, input: &[u8], seed: &Path) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let kept = std::env::temp_dir().join(format!("porthole-fuzz-{}", target.name));
        fs::write(&kept, input).unwrap();
        let (name, seed, kept) = (target.name, seed.display(), kept.display());
        panic!(
            "{name} fails on a variant of {seed}: {kept}. Mend it, and keep the input under regressions/{name}"
        );
    }
}

#[test]
fn every_regression_and_every_seed_meets_its_oracle() {
    for target in TARGETS {
        for seed in files("regressions", target).iter().chain(&files("corpus", target)) {
            run(target, &fs::read(seed).unwrap(), seed);
        }
        run(target, b"", Path::new("nothing"));
    }
}

#[test]
fn variants_of_every_seed_meet_its_oracle() {
    for target in TARGETS {
        let (began, names) = (Instant::now(), files("corpus", target));
        let seeds: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).unwrap()).collect();
        for (seed, name) in seeds.iter().zip(&names) {
            let mut random = Random::of(seed);
            for _ in 0..VARIANTS {
                run(target, &mutated(seed, &seeds, &mut random), name);
            }
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{}: {:?}", target.name, began.elapsed());
    }
}

#[test]
fn every_target_has_a_corpus_of_small_files() {
    let mut sum = 0;
    for target in TARGETS {
        let seeds = files("corpus", target);
        assert!(!seeds.is_empty(), "{} has no corpus", target.name);
        for seed in seeds {
            let bytes = fs::metadata(&seed).unwrap().len();
            assert!(bytes < MAX_SEED, "{} has {bytes} bytes", seed.display());
            sum += bytes;
        }
    }
    assert!(sum < MAX_CORPUS, "{sum} bytes");
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(folder(kind)).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(
                TARGETS.iter().any(|target| name == target.name),
                "{kind}/{} has no target",
                name.display()
            );
        }
    }
}
