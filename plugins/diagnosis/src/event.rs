//! Events of either shape that components write: with a count, or with a series.

use crate::{Kind, Object, Reference, time};

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'f>(&'f Object);

impl<'f> Event<'f> {
    /// The event in an object of the kind.
    pub fn new(object: &'f Object) -> Self {
        Self(object)
    }

    /// One word: `FailedMount`.
    pub fn reason(&self) -> &'f str {
        self.0.text("/reason")
    }

    /// The sentence, as the component wrote it.
    pub fn message(&self) -> &'f str {
        self.0.text("/message").trim()
    }

    /// The part of the object that it is about: `spec.containers{app}`; may be empty.
    pub fn field(&self) -> &'f str {
        self.0.text("/involvedObject/fieldPath")
    }

    /// Its place in an answer: `event FailedMount x3, last 40s ago`.
    pub(crate) fn place(&self, now: u64) -> String {
        let age = time::age(now.saturating_sub(self.last_seen()));
        format!("event {} x{}, last {age} ago", self.reason(), self.count())
    }

    /// Occurrences, at least 1.
    pub fn count(&self) -> i64 {
        self.0.number("/series/count").or(self.0.number("/count")).unwrap_or(1).max(1)
    }

    /// Seconds since 1970 of the last occurrence, by the rule of `kubectl describe`.
    pub fn last_seen(&self) -> u64 {
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
        let seen = times.into_iter().find_map(|pointer| time::parse(self.0.text(pointer)));
        seen.or(self.0.created()).unwrap_or_default()
    }

    /// The object that it is about, if its kind is one that a diagnosis knows.
    pub fn object(&self) -> Option<Reference> {
        let text = |key: &str| self.0.text(key);
        let kind = Kind::of_object(text("/involvedObject/kind"))?;
        Some(Reference::new(kind, text("/involvedObject/namespace"), text("/involvedObject/name")))
    }

    /// True if it is about `object`, and not about an older one of the same name.
    pub fn is_of(&self, object: &Object) -> bool {
        let uid = self.0.text("/involvedObject/uid");
        // Kubelets write the name of a node as its uid.
        let is_same =
            uid.is_empty() || object.uid().is_empty() || uid == object.uid() || uid == object.name();
        is_same && self.object() == Some(object.reference())
    }
}
