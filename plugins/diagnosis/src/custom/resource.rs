//! A custom resource, and its state by the conventions that most controllers keep.

use serde_json::Value;

use super::CustomKind;
use crate::{
    Certainty, Evidence,
    health::STARTING,
    object::{list, text},
    time,
};

/// Seconds for which a change may be under way before that is worth a word.
const UNDER_WAY: u64 = 10 * 60;
/// Conditions that are named.
const CONDITIONS: usize = 3;

/// Types of conditions that are good if they are `True`, also at the end of a longer one: `InfrastructureReady`.
const GOOD: [&str; 16] = [
    "Ready",
    "Available",
    "Healthy",
    "Synced",
    "Succeeded",
    "Established",
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Reconciled",
    "Valid",
    "Issued",
    "Deployed",
    "Installed",
    "Released",
    "Provisioned",
];
/// Types that are bad if they are `True`, also at the end of a longer one: `ReconcileFailed`.
const BAD: [&str; 10] = [
    "Degraded",
    "Failed",
    "Failure",
    "Failing",
    "Stalled",
    "Error",
    "Errored",
    "Blocked",
    "Conflicted",
    "Unhealthy",
];
/// Types of a change that is under way.
const WORKING: [&str; 4] = ["Reconciling", "Progressing", "Issuing", "Updating"];
/// Reasons of what is meant not to run.
const INTENDED: [&str; 5] = ["Suspended", "Paused", "Disabled", "ScaledToZero", "Hibernated"];
/// Fields of the status that hold a word for the whole, each with those that say more.
const WORDS: [(&str, [&str; 2]); 4] = [
    ("/status/phase", ["/status/message", "/status/reason"]),
    ("/status/state", ["/status/reason", "/status/message"]),
    ("/status/health/status", ["/status/health/message", "/status/message"]),
    ("/status/status", ["/status/message", "/status/reason"]),
];
/// Words of a status that mean trouble.
const TROUBLE: [&str; 10] = [
    "failed",
    "failing",
    "error",
    "errored",
    "invalid",
    "degraded",
    "unhealthy",
    "expired",
    "lost",
    "rejected",
];

/// A custom resource.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// The kind's name: `Certificate`.
    pub(super) kind: String,
    /// The group of its kind.
    pub(super) group: String,
    value: Value,
}

/// The state of a resource, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Well,
    Intended,
    /// Nothing that it says of itself tells.
    Unknown,
    /// A change is under way, or was until just now.
    Working,
    /// Not well.
    Unwell,
}

/// A state, the words for it, and the facts behind it.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub(super) state: State,
    /// `its condition Ready is False: DoesNotExist`
    pub(super) summary: String,
    pub(super) certainty: Certainty,
    pub(super) evidence: Vec<Evidence>,
}

impl Resource {
    pub(super) fn new(kind: &CustomKind, value: Value) -> Self {
        Self { kind: kind.kind.clone(), group: kind.group.clone(), value }
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        text(&self.value, pointer)
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    pub(super) fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// The uids of its owners.
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        list(&self.value, "/metadata/ownerReferences").iter().map(|owner| text(owner, "/uid"))
    }

    /// `status of Certificate shop/web`
    fn place(&self) -> String {
        format!("status of {self}")
    }

    /// Its state, by its own words.
    pub(super) fn judge(&self, now: u64) -> Judgement {
        let since = |at: &str| time::parse(at).map(|at| now.saturating_sub(at));
        let plain = |state: State, summary: &str| Judgement {
            state,
            summary: summary.to_owned(),
            certainty: Certainty::Certain,
            evidence: Vec::new(),
        };
        if let Some(age) = since(self.text("/metadata/deletionTimestamp")) {
            return self.being_deleted(age);
        }
        let conditions = list(&self.value, "/status/conditions");
        let is = |condition: &&Value, types: &[&str], status: &str| {
            let kind = text(condition, "/type");
            // `NotReady`, `NoError`
            let is_negated = kind.starts_with("No");
            text(condition, "/status") == status
                && !is_negated
                && types.iter().any(|known| kind.ends_with(known))
        };
        let wrong: Vec<&Value> =
            conditions.iter().filter(|one| is(one, &GOOD, "False") || is(one, &BAD, "True")).collect();
        let intended = wrong.iter().copied().find(|one| INTENDED.contains(&text(one, "/reason")));
        if let Some(condition) = intended {
            return plain(
                State::Intended,
                &format!("not running, as intended: {}", text(condition, "/reason")),
            );
        }
        let age_of = |one: &&Value| since(text(one, "/lastTransitionTime")).unwrap_or(u64::MAX);
        let is_young = wrong.iter().all(|one| age_of(one) < STARTING);
        let working = conditions.iter().find(|one| is(one, &WORKING, "True") && age_of(one) < UNDER_WAY);
        let is_bad = wrong.iter().any(|one| is(one, &BAD, "True"));
        if !wrong.is_empty() {
            let mut judgement = self.wrong(&wrong, now);
            let is_waiting = !is_bad && wrong.iter().all(|one| is_waiting(text(one, "/reason")));
            let is_recent = wrong.iter().all(|one| age_of(one) < UNDER_WAY);
            if is_young || (working.is_some() && !is_bad) || (is_waiting && is_recent) {
                judgement.state = State::Working;
            }
            if is_waiting {
                judgement.certainty = Certainty::Likely;
            }
            return judgement;
        }
        if let Some(judgement) = self.word() {
            return judgement;
        }
        if let Some(judgement) = self.behind(conditions) {
            return judgement;
        }
        if let Some(condition) = working.or(conditions.iter().find(|one| is(one, &GOOD, "Unknown"))) {
            let mut judgement = self.wrong(&[condition], now);
            let is_long = age_of(&condition) > UNDER_WAY;
            judgement.state = if is_long { State::Unwell } else { State::Working };
            judgement.certainty = Certainty::Likely;
            return judgement;
        }
        let word = WORDS.iter().map(|(field, _)| self.text(field)).find(|word| !word.is_empty());
        let is_well = conditions.iter().any(|one| is(&one, &GOOD, "True"));
        match (is_well, word) {
            (true, _) => plain(State::Well, "well"),
            (false, Some(word)) => plain(State::Unknown, &format!("its status says {word}")),
            (false, None) if self.value.pointer("/status").is_none() => {
                plain(State::Unknown, "it has no status, so nothing here tells whether it is well")
            }
            (false, None) => plain(State::Unknown, "no field of its status is one whose meaning is general"),
        }
    }

    fn being_deleted(&self, age: u64) -> Judgement {
        let finalizers: Vec<&str> =
            list(&self.value, "/metadata/finalizers").iter().filter_map(Value::as_str).take(4).collect();
        let is_stuck = age > STARTING && !finalizers.is_empty();
        let held =
            if finalizers.is_empty() { "nothing that it names".to_owned() } else { finalizers.join(", ") };
        let summary = match is_stuck {
            true => {
                format!("it has been deleted for {}, and is held by the finalizers {held}", time::age(age))
            }
            false => format!("it is being deleted, for {}", time::age(age)),
        };
        let fact = Evidence::fact(format!("finalizers: {held}"), format!("metadata of {self}"));
        Judgement {
            state: if is_stuck { State::Unwell } else { State::Working },
            summary,
            certainty: Certainty::Certain,
            evidence: vec![fact],
        }
    }

    /// A judgement by conditions that are not as they should be.
    fn wrong(&self, wrong: &[&Value], now: u64) -> Judgement {
        let evidence = wrong.iter().take(CONDITIONS).map(|condition| {
            let since = time::parse(text(condition, "/lastTransitionTime"));
            let since = since.map(|at| format!(", for {}", time::age(now.saturating_sub(at))));
            let label = format!(
                "{} {}{}",
                text(condition, "/type"),
                text(condition, "/status"),
                since.unwrap_or_default()
            );
            Evidence::quote(label, text(condition, "/message"), self.place())
        });
        // The condition for the whole stands first; the others say of which part it is.
        let first = wrong.iter().find(|condition| text(condition, "/type") == "Ready").or(wrong.first());
        let summary = first.map_or_else(String::new, |condition| {
            let [kind, status, reason] = ["/type", "/status", "/reason"].map(|field| text(condition, field));
            let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            format!("its condition {kind} is {status}{reason}")
        });
        Judgement {
            state: State::Unwell,
            summary,
            certainty: Certainty::Certain,
            evidence: evidence.collect(),
        }
    }

    /// A judgement by a word for the whole that means trouble.
    fn word(&self) -> Option<Judgement> {
        let is_trouble = |field: &str| TROUBLE.contains(&self.text(field).to_ascii_lowercase().as_str());
        let (field, more) = WORDS.iter().find(|(field, _)| is_trouble(field))?;
        let more =
            more.iter().map(|field| self.text(field)).find(|text| !text.is_empty()).unwrap_or_default();
        let name = field.trim_start_matches("/status/").replace('/', ".");
        let fact = Evidence::quote(format!("{name}: {}", self.text(field)), more, self.place());
        Some(Judgement {
            state: State::Unwell,
            summary: format!("its status is {}", self.text(field)),
            // The word is general, its meaning is the controller's.
            certainty: Certainty::Likely,
            evidence: vec![fact],
        })
    }

    /// A judgement by a generation that the controller has not seen.
    fn behind(&self, conditions: &[Value]) -> Option<Judgement> {
        let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_i64);
        let newest = number(&self.value, "/metadata/generation")?;
        let of_conditions = conditions.iter().filter_map(|one| number(one, "/observedGeneration")).max();
        let observed = number(&self.value, "/status/observedGeneration").or(of_conditions)?;
        (observed < newest).then(|| Judgement {
            state: State::Working,
            summary: format!(
                "its controller has not taken up the newest spec: generation {newest}, observed {observed}"
            ),
            certainty: Certainty::Likely,
            evidence: vec![Evidence::fact(
                format!("generation {newest}, observedGeneration {observed}"),
                self.place(),
            )],
        })
    }
}

/// True if the reason of a condition says that something is still to come.
fn is_waiting(reason: &str) -> bool {
    ["Progress", "Pending", "Wait"].iter().any(|part| reason.contains(part))
        || (reason.ends_with("ing") && !["Failing", "Missing"].iter().any(|end| reason.ends_with(end)))
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace() {
            "" => write!(f, "{} {}", self.kind, self.name()),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_waiting;

    #[test]
    fn a_reason_that_something_is_still_to_come_is_no_reason_of_a_fault() {
        for (reason, expected) in [
            ("Progressing", true),
            ("ProgressDeadline", true),
            ("PendingApproval", true),
            ("WaitingForVolume", true),
            ("Provisioning", true),
            ("Failing", false),
            ("SecretMissing", false),
            ("Failed", false),
        ] {
            assert_eq!(is_waiting(reason), expected, "{reason}");
        }
    }
}
