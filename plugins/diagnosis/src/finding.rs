//! A fault that a rule has found, with its evidence.

use std::collections::BTreeSet;

use crate::Reference;

/// Strength of the evidence of a finding, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// A pattern, for example in a log.
    Guess,
    /// A join of several objects.
    Likely,
    /// The state of an object, or a message of Kubernetes, names it.
    Certain,
}

impl std::fmt::Display for Certainty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        })
    }
}

/// One fact that supports a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Our own words before the quote; may be empty.
    pub label: String,
    /// Text of the cluster, verbatim: it is foreign, and quoted when it is rendered. May be empty.
    pub quote: String,
    /// Lines of a log, verbatim, shown below one another instead of the quote.
    pub lines: Vec<String>,
    /// The place that it stands in: `pod.status`, `event FailedMount x3`, `log app`.
    pub place: String,
}

impl Evidence {
    /// A fact in our own words.
    pub fn fact(label: impl Into<String>, place: impl Into<String>) -> Self {
        Self { label: label.into(), quote: String::new(), lines: Vec::new(), place: place.into() }
    }

    /// A fact with the cluster's own text.
    pub fn quote(label: impl Into<String>, quote: impl Into<String>, place: impl Into<String>) -> Self {
        Self { label: label.into(), quote: quote.into(), lines: Vec::new(), place: place.into() }
    }

    /// Lines of a log.
    pub fn lines(label: impl Into<String>, lines: &[&str], place: impl Into<String>) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Self { label: label.into(), quote: String::new(), lines, place: place.into() }
    }
}

/// A fault.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Id of the rule: `claim-class-missing`.
    pub rule: &'static str,
    /// Strength of its evidence.
    pub certainty: Certainty,
    /// The object to be mended: a claim, and not the pod that waits for it. Of pods of one workload, the workload, so
    /// that equal findings become one.
    pub object: Reference,
    /// One sentence without names of single pods.
    pub summary: String,
    /// At most four facts.
    pub evidence: Vec<Evidence>,
    /// The objects that are in trouble because of it.
    pub affects: BTreeSet<Reference>,
    /// A person's action, or one call of a tool.
    pub next: String,
    /// A change that came before it. It is shown with the cause, if that is another finding.
    pub change: Option<Evidence>,
    /// True if it may be the consequence of another finding that affects the same objects, which then is shown instead.
    pub is_symptom: bool,
}

impl Finding {
    /// A certain fault of `object`, which is affected by it, without evidence yet.
    pub fn new(rule: &'static str, object: Reference, summary: impl Into<String>) -> Self {
        Self {
            rule,
            certainty: Certainty::Certain,
            affects: BTreeSet::from([object.clone()]),
            object,
            summary: summary.into(),
            evidence: Vec::new(),
            next: String::new(),
            change: None,
            is_symptom: false,
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Sets its certainty.
    #[must_use]
    pub fn certainty(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }

    /// Adds an object that is in trouble because of it.
    #[must_use]
    pub fn affects(mut self, object: Reference) -> Self {
        self.affects.insert(object);
        self
    }

    /// Sets the next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Sets the change that came before it.
    #[must_use]
    pub fn change(mut self, change: Option<Evidence>) -> Self {
        self.change = change;
        self
    }

    /// Marks it as a possible consequence of another finding.
    #[must_use]
    pub fn symptom(mut self) -> Self {
        self.is_symptom = true;
        self
    }
}
