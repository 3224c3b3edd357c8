//! A namespace that is being deleted and does not go: its content has finalizers, or an API does not answer.
//!
//! Evidence: the conditions of the namespace.
//! Not to be taken for: the first minutes, in which pods end in their grace period.
//! Source: kubernetes/pkg/controller/namespace/deletion.

use super::Rule;
use crate::{Condition, Evidence, Facts, Finding, Kind, Object, time};

pub(super) const RULE: Rule = Rule { id: "namespace-terminating", find };

/// Seconds for which content that remains is no fault.
const PATIENCE: u64 = 300;

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Namespace).filter_map(|namespace| of(facts, namespace)).collect()
}

fn of(facts: &Facts, namespace: &Object) -> Option<Finding> {
    let since = namespace.deleted()?;
    let age = facts.now.saturating_sub(since);
    let has = |kind: &str| namespace.condition(kind).filter(|condition| condition.status == "True");
    let quote = |condition: &Condition| {
        Evidence::quote("", condition.message, format!("condition {}", condition.reason))
    };
    let since = format!("its deletion has been under way for {}", time::age(age));
    let object = namespace.reference();
    if let Some(condition) = has("NamespaceDeletionDiscoveryFailure") {
        return Some(
            Finding::new(
                RULE.id,
                object,
                format!("{since}: an API of the cluster does not answer, so its content is not known"),
            )
            .with(quote(&condition))
            .next("mend or remove the APIService that is down: resources_list kind=APIService")
            .symptom(),
        );
    }
    if age < PATIENCE {
        return None;
    }
    let remaining = has("NamespaceContentRemaining");
    if let Some(condition) = has("NamespaceFinalizersRemaining") {
        let finding = Finding::new(
            RULE.id,
            object,
            format!("{since}: objects in it have finalizers that nothing removes"),
        )
        .with(quote(&condition))
        .next("find out why the controller of that finalizer does not remove it: it may be gone");
        return Some(remaining.iter().map(quote).fold(finding, Finding::with));
    }
    if let Some(condition) =
        has("NamespaceDeletionContentFailure").or(has("NamespaceDeletionGroupVersionParsingFailure"))
    {
        return Some(
            Finding::new(RULE.id, object, format!("{since}: its content cannot be deleted"))
                .with(quote(&condition))
                .next("mend what the message names"),
        );
    }
    let finding = Finding::new(RULE.id, object, format!("{since}, and is still there"))
        .next("look at what remains in it, and at its finalizers")
        .symptom();
    let finalizers = namespace.list("/spec/finalizers").iter().chain(namespace.list("/metadata/finalizers"));
    let finalizers: Vec<&str> = finalizers.filter_map(serde_json::Value::as_str).collect();
    let finding =
        finding.with(Evidence::quote("its own finalizers", finalizers.join(", "), "spec.finalizers"));
    Some(remaining.iter().map(quote).fold(finding, Finding::with))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, running};

    fn namespace(deleted: &str, conditions: Value) -> Value {
        let mut namespace = object("Namespace", "shop");
        namespace["metadata"]["deletionTimestamp"] = deleted.into();
        namespace["spec"] = json!({"finalizers": ["kubernetes"]});
        namespace["status"] = json!({"phase": "Terminating", "conditions": conditions});
        namespace
    }

    #[test]
    fn the_finalizer_is_quoted() {
        let conditions = json!([
            {"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain", "message": "Some resources are remaining: widgets.example.com has 5 resource instances"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain", "message": "Some content in the namespace has finalizers remaining: example.com/cleanup in 5 resource instances"}]);
        let answer = Recorded::new(&[namespace("2026-11-24T11:00:00Z", conditions)]).ask_for("", "shop", "");
        assert!(answer.contains("cause 1 (certain) [namespace-terminating] Namespace shop: its deletion has been under way for 60m: objects in it have finalizers"), "{answer}");
        assert!(
            answer.contains("example.com/cleanup in 5") && answer.contains("widgets.example.com"),
            "{answer}"
        );
    }

    #[test]
    fn the_first_minutes_are_no_fault() {
        let conditions = json!([{"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain", "message": "Some resources are remaining: pods. has 1 resource instances"}]);
        let answer = Recorded::new(&[namespace("2026-11-24T11:59:30Z", conditions), running("web")])
            .ask_for("", "shop", "");
        assert!(!answer.contains("namespace-terminating"), "{answer}");
    }
}
