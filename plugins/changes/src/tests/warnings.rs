//! Warnings: those that are a change, and the message that stands for their like.

use super::*;

#[test]
fn warnings_that_began_before_are_no_change() {
    let mount = |name: &str, first: &str| {
        event(
            "Pod",
            name,
            "FailedMount",
            "MountVolume.SetUp failed: configmap \"web\nconfig\" not found",
            (first, NOW, 3),
        )
    };
    let answer = Recorded::default()
        .with("events", mount("web-6d4f9c7b8d-k8pq2", "2026-11-24T11:50:00Z"))
        .with("events", mount("web-6d4f9c7b8d-x2x7q", "2026-11-24T11:51:00Z"))
        .with("events", mount("old-6d4f9c7b8d-x2x7q", "2026-11-24T10:00:00Z"))
        .ask("1h", "");
    let lines: Vec<&str> = answer.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "11:50:00Z 10m began FailedMount x6 2 pods of shop/web: MountVolume.SetUp failed: configmap \"web config\" not found"
        ]
    );
}

/// The messages of a kubelet for one container stand in no order.
#[test]
fn warnings_of_a_reason_are_told_by_the_message_that_names_the_cause() {
    let cause = "Failed to pull image \"web:9\": rpc error: code = NotFound desc = web:9: not found";
    let messages = ["Error: ErrImagePull", cause, "Error: ImagePullBackOff"];
    for first in 0..messages.len() {
        let pull = |at: usize| {
            let message = messages[(first + at) % messages.len()];
            event("Pod", "web-6d4f9c7b8d-k8pq2", "Failed", message, ("2026-11-24T11:50:00Z", NOW, 2))
        };
        let cluster = (0..messages.len()).fold(Recorded::default(), |all, at| all.with("events", pull(at)));
        let answer = cluster.ask("1h", "");
        let expected = "began Failed x6 Pod shop/web-6d4f9c7b8d-k8pq2: Failed to pull image \"web:9\": rpc error: code = NotFound desc = web:9: not found";
        assert!(answer.starts_with("1 change") && answer.ends_with(expected), "{answer}");
    }
    // Without the cause the state is still told.
    let bare = event("Pod", "web-0", "Failed", messages[0], ("2026-11-24T11:50:00Z", NOW, 2));
    let answer = Recorded::default().with("events", bare).ask("1h", "");
    assert!(answer.ends_with("began Failed x2 Pod shop/web-0: Error: ErrImagePull"), "{answer}");
}

#[test]
fn a_back_off_is_told_only_without_its_cause() {
    let of = |container: &str, reason: &str, message: &str, first: &str| {
        let mut event = event("Pod", "web-0", reason, message, (first, NOW, 4));
        event["involvedObject"]["fieldPath"] = format!("spec.containers{{{container}}}").into();
        event
    };
    let back_off =
        || of("web", "BackOff", "Back-off restarting failed container web", "2026-11-24T11:51:00Z");
    let cause = "Error: failed to create containerd task: exec: \"serve\": not found";
    let probe = "Liveness probe failed: connection refused";
    let soon = "2026-11-24T11:50:00Z";
    for (other, told) in [
        (of("web", "Failed", cause, soon), false),
        (of("web", "Unhealthy", probe, soon), false),
        (of("web", "Failed", "Error: RunContainerError", soon), true),
        // Another container, another trouble, and what began long before.
        (of("sidecar", "Failed", cause, soon), true),
        (of("web", "FailedMount", "configmap \"a\" not found", soon), true),
        (of("web", "Failed", cause, "2026-11-24T08:00:00Z"), true),
    ] {
        let answer =
            Recorded::default().with("events", other.clone()).with("events", back_off()).ask("1h", "");
        assert_eq!(
            answer.contains("began BackOff x4 Pod shop/web-0: Back-off restarting"),
            told,
            "{other} {answer}"
        );
        assert!(answer.contains("began "), "{answer}");
    }
}
