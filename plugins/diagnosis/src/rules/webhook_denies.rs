//! An admission webhook or policy that refuses a workload's pods.
//!
//! Evidence: the API server's words, with those of the webhook. Its state shows nothing of it.
//! Not to be taken for: a webhook that does not answer (`webhook-down`).
//! Source: kubernetes/staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors, .../policy/validating.

use super::Rule;
use crate::{
    Facts, Finding,
    refusals::{Check, between, shortages},
};

pub(super) const RULE: Rule = Rule { id: "webhook-denies", find };

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .filter_map(|shortage| {
            let message = shortage.message(Check::WebhookDenies)?;
            let webhook = between(message, "admission webhook \"", &['"'])
                .map(|name| format!("admission webhook {name}"));
            let policy = between(message, "ValidatingAdmissionPolicy '", &['\'']);
            let who = webhook.or(policy.map(|name| format!("ValidatingAdmissionPolicy {name}")))?;
            let summary = format!("{who} denies its pods");
            let finding = Finding::new(RULE.id, facts.root(shortage.workload).reference(), summary);
            Some(
                shortage
                    .explained_by(facts, finding)
                    .next("change the template so that it meets the policy that the quote names"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::recorded::{Recorded, event, object};

    #[test]
    fn the_webhook_or_policy_is_named_with_its_words() {
        for (words, who) in [
            (
                "admission webhook \"validate.kyverno.svc-fail\" denied the request: policy Pod/shop/db-0 was blocked",
                "admission webhook validate.kyverno.svc-fail",
            ),
            (
                "pods \"db-0\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'b' denied request: tag latest",
                "ValidatingAdmissionPolicy no-latest",
            ),
        ] {
            let mut set = object("StatefulSet", "db");
            set["spec"] = json!({"replicas": 1, "template": {"spec": {"containers": []}}});
            set["status"] = json!({"replicas": 0});
            let message = format!("create Pod db-0 in StatefulSet db failed error: {words}");
            let said = event(&set, "FailedCreate", &message);
            let answer = Recorded::new(&[set.clone(), said.clone()]).ask("db");
            assert!(
                answer.contains(&format!(
                    "cause 1 (certain) [webhook-denies] StatefulSet shop/db: {who} denies its pods\n"
                )),
                "{answer}"
            );
            assert!(answer.contains(words), "{answer}");
            // Without the event nothing tells.
            let answer = Recorded::new(&[set.clone()]).ask("db");
            assert!(!answer.contains("webhook-denies"), "{answer}");
            set["status"]["replicas"] = 1.into();
            let answer = Recorded::new(&[set, said]).ask("db");
            assert!(!answer.contains("webhook-denies"), "{answer}");
        }
    }
}
