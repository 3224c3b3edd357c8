//! Limits in `limits.txt`: a line for each path, with its allocations and bytes in both profiles.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use crate::allocator::Cost;

/// Tolerance in percent: half of what must be found.
const TOLERANCE: u64 = 5;
/// Columns of a profile: the sizes of futures, which tasks allocate, depend on the optimiser.
const PROFILE: usize = if cfg!(debug_assertions) { 0 } else { 1 };
/// A profile in which a path has not been recorded.
const UNKNOWN: &str = "-";
/// Command that writes `limits.txt`.
const RECORD: &str = "PORTHOLE_COSTS=record cargo xtask test costs";
const HEADER: &str = "# Allocations and bytes of each path; after a change that is meant: PORTHOLE_COSTS=record cargo xtask test costs
# path\tdebug: allocations\tbytes\trelease: allocations\tbytes
";

/// Measured costs by path.
pub(crate) type Measured = BTreeMap<String, Cost>;

/// Recorded costs by path, in each profile.
pub(crate) struct Limits(BTreeMap<String, [Option<Cost>; 2]>);

impl Limits {
    /// Reads the recorded limits.
    pub(crate) fn read() -> Self {
        Self::of(&fs::read_to_string(file()).unwrap_or_default())
    }

    fn of(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.map(|line| parse(line).unwrap_or_else(|| panic!("limits.txt: {line:?}"))).collect())
    }

    /// Compares measured costs with the limits of this profile. Those of the other judge nothing: an unoptimised build may
    /// allocate several times as much.
    pub(crate) fn findings(&self, measured: &Measured) -> Vec<String> {
        let missing = self.0.keys().filter(|path| !measured.contains_key(*path));
        let mut findings: Vec<String> =
            missing.map(|path| format!("{path} is in limits.txt, and is not measured")).collect();
        for (path, cost) in measured {
            let finding = match self.0.get(path).and_then(|profiles| profiles[PROFILE]) {
                Some(limit) => judge(path, limit, *cost),
                None => Some(format!("{path} is not recorded in this profile: {RECORD}")),
            };
            findings.extend(finding);
        }
        findings
    }

    /// Writes measured costs as the limits of this profile; those of the other stay.
    pub(crate) fn record(measured: &Measured) {
        let known = Self::read();
        let mut text = HEADER.to_owned();
        for (path, cost) in measured {
            let mut profiles = known.0.get(path).copied().unwrap_or_default();
            profiles[PROFILE] = Some(*cost);
            let columns = profiles.map(|cost| match cost {
                Some(Cost { allocations, bytes }) => format!("{allocations}\t{bytes}"),
                None => format!("{UNKNOWN}\t{UNKNOWN}"),
            });
            let _ = writeln!(text, "{path}\t{}", columns.join("\t"));
        }
        fs::write(file(), text).unwrap();
    }
}

/// Compares a cost with its limit. Less is a finding too: the limit would hide what is lost of it later.
pub(crate) fn judge(path: &str, limit: Cost, measured: Cost) -> Option<String> {
    let pairs =
        [("allocations", limit.allocations, measured.allocations), ("bytes", limit.bytes, measured.bytes)];
    let findings: Vec<String> = pairs
        .into_iter()
        .filter_map(|(what, limit, measured)| {
            let word = match () {
                () if measured * 100 > limit * (100 + TOLERANCE) => "more",
                () if measured * (100 + TOLERANCE) < limit * 100 => "less",
                () => return None,
            };
            Some(format!("{path}: {measured} {what}, {word} than the {limit} of limits.txt"))
        })
        .collect();
    (!findings.is_empty()).then(|| format!("{}; mend it, or if it is meant: {RECORD}", findings.join(", ")))
}

fn parse(line: &str) -> Option<(String, [Option<Cost>; 2])> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [path, numbers @ ..] = columns.as_slice() else { return None };
    let [debug_allocations, debug_bytes, allocations, bytes] = numbers else { return None };
    let cost = |allocations: &str, bytes: &str| {
        if allocations == UNKNOWN {
            return Some(None);
        }
        Some(Some(Cost { allocations: allocations.parse().ok()?, bytes: bytes.parse().ok()? }))
    };
    Some(((*path).to_owned(), [cost(debug_allocations, debug_bytes)?, cost(allocations, bytes)?]))
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/costs/limits.txt")
}

#[test]
fn a_path_that_only_the_other_profile_has_is_a_finding() {
    let cost = Cost { allocations: 7, bytes: 700 };
    let measured = Measured::from([("a path".to_owned(), cost)]);
    let columns = [["7\t700", "-\t-"], ["-\t-", "7\t700"]];
    let findings =
        |profile: usize| Limits::of(&format!("a path\t{}", columns[profile].join("\t"))).findings(&measured);
    assert_eq!(findings(PROFILE), Vec::<String>::new());
    let finding = findings(1 - PROFILE).concat();
    assert!(finding.contains("a path is not recorded in this profile: PORTHOLE_COSTS=record"), "{finding}");
}
