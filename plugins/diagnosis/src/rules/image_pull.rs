//! An image that cannot be pulled: no such tag, no access, no registry, a malformed name, or the policy `Never`.
//!
//! Evidence: the waiting state of the container; before Kubernetes 1.32 the registry's words are in an event only.
//! Not to be taken for: a pull that is under way (`ContainerCreating`).
//! Source: kubernetes/pkg/kubelet/images/types.go; containerd's and Docker Hub's messages.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    health::{container, containers_with},
    object::text,
};

pub(super) const RULE: Rule = Rule { id: "image-pull", find };

/// Waiting reasons of an image that is not there.
const REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
];

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Pod).flat_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Vec<Finding> {
    let waiting = containers_with(pod, "/state/waiting");
    waiting
        .filter(|(_, waiting)| REASONS.contains(&text(waiting, "/reason")))
        .map(|(name, waiting)| {
            let image = container(pod, name).map(|container| text(container, "/image")).unwrap_or_default();
            let message = message(facts, pod, image, text(waiting, "/message"));
            let (cause, next) = cause(text(waiting, "/reason"), message);
            let state = format!("container {name} waits, {}", text(waiting, "/reason"));
            Finding::new(RULE.id, facts.root(pod).reference(), format!("image {image} {cause}"))
                .affects(pod.reference())
                .with(Evidence::quote(state, message, format!("status of {}", pod.reference())))
                .next(next)
        })
        .collect()
}

/// The registry's own words: from the state, or from the newest event that has them.
fn message<'f>(facts: &'f Facts, pod: &'f Object, image: &str, state: &'f str) -> &'f str {
    // "Back-off pulling image" alone says nothing of why.
    if state.contains("rpc error") || state.contains("failed to") || !state.starts_with("Back-off") {
        return state;
    }
    let mut events = facts.events(pod).into_iter();
    let event =
        events.find(|event| event.message().starts_with("Failed to pull") && event.message().contains(image));
    event.map_or(state, |event| event.message())
}

/// The meaning of the registry's words, and the next step.
fn cause(reason: &str, message: &str) -> (&'static str, &'static str) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if reason == "InvalidImageName" {
        ("has a malformed name", "correct the image in the template")
    } else if reason == "ErrImageNeverPull" {
        (
            "is not on the node, and its pull policy is Never",
            "load the image on the node, or change imagePullPolicy",
        )
    } else if has(&["toomanyrequests", "429"]) {
        ("is refused by the registry's rate limit", "wait, or pull with an account or from a mirror")
    } else if has(&["no match for platform"]) {
        ("does not exist for the node's architecture", "build it for that platform, or select nodes that fit")
    } else if has(&["no such host", "i/o timeout", "connection refused", "x509", "dial tcp"]) {
        (
            "cannot be pulled: its registry cannot be reached",
            "check the registry's name and the node's way to it",
        )
    } else if has(&["401", "403", "denied", "unauthorized", "authorization failed"]) {
        (
            "cannot be pulled: it does not exist, or the registry wants a login",
            "check the name, and the imagePullSecrets of the pod and its ServiceAccount",
        )
    } else if has(&["not found", "manifest unknown", "NotFound"]) {
        ("does not exist in its registry", "correct the tag, or push the image")
    } else {
        ("cannot be pulled", "check the name and the tag in the registry")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, pod};

    fn waiting(reason: &str, message: &str) -> Value {
        pod(
            "web",
            json!({"containers": [{"name": "app", "image": "r.example/web:1.9"}]}),
            json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason, "message": message}}}]}),
        )
    }

    #[test]
    fn the_registrys_words_say_why() {
        for (reason, message, cause) in [
            (
                "ImagePullBackOff",
                "Back-off pulling image \"r.example/web:1.9\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image: not found",
                "does not exist in its registry",
            ),
            (
                "ErrImagePull",
                "failed to pull: pull access denied, repository does not exist or may require authorization",
                "the registry wants a login",
            ),
            (
                "ErrImagePull",
                "failed to do request: Head \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
                "cannot be reached",
            ),
            ("InvalidImageName", "couldn't parse image reference", "malformed name"),
        ] {
            let answer = Recorded::new(&[waiting(reason, message)]).ask("web");
            assert!(
                answer.contains("cause 1 (certain) [image-pull] Pod shop/web: image r.example/web:1.9"),
                "{answer}"
            );
            assert!(answer.contains(cause), "{cause}: {answer}");
        }
    }

    #[test]
    fn an_image_that_is_being_pulled_is_no_fault() {
        let answer = Recorded::new(&[waiting("ContainerCreating", "")]).ask("web");
        assert!(!answer.contains("image-pull"), "{answer}");
    }

    #[test]
    fn the_words_of_the_newest_event_count_only_if_the_state_has_none_and_for_that_image() {
        let back_off = "Back-off pulling image \"r.example/web:1.9\"";
        let (missing, limited) = ("manifest unknown", "429 Too Many Requests");
        let of = |image: &str, words: &str| format!("Failed to pull image \"{image}\": {words}");
        for (state, message, cause) in [
            (back_off.to_owned(), of("r.example/web:1.9", missing), "does not exist in its registry"),
            (back_off.to_owned(), of("r.example/mail:2", missing), "cannot be pulled"),
            (back_off.to_owned(), format!("Pulling r.example/web:1.9: {missing}"), "cannot be pulled"),
            (
                format!("{back_off}: rpc error: {missing}"),
                of("r.example/web:1.9", limited),
                "does not exist in its registry",
            ),
            (
                format!("{back_off}: failed to resolve: {missing}"),
                of("r.example/web:1.9", limited),
                "does not exist in its registry",
            ),
        ] {
            let pod = waiting("ImagePullBackOff", &state);
            let failed = event(&pod, "Failed", &message);
            let findings = Recorded::new(&[pod, failed]).findings(&RULE);
            assert_eq!(
                findings,
                [format!("Pod shop/web: image r.example/web:1.9 {cause}")],
                "{state} {message}"
            );
        }
    }
}
