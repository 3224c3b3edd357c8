//! A rolling update while Dify visits.

use std::time::Instant;

use crate::{
    deployed::Deployed,
    shell,
    twin::{SPREAD, Twin},
    visits::Allowed,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_loses_no_visit() {
    let deployed = Deployed::get().await;
    // With every tool, as in the guide: a new pod must not serve before it has them.
    let whole = |pod: &mut serde_json::Value| pod["containers"][0]["image"] = "porthole:latest".into();
    let twin = Twin::create(&deployed.node, "rolling", 1, whole).await;
    let old = twin.pods()[0].clone();
    let visits = twin.visits(&twin.door(&deployed.token)).await;
    let from = Instant::now();
    shell(&deployed.node, "kubectl rollout restart -n mcp-tools deploy/rolling");
    twin.until_rolled_out();
    // Until the old pod is gone: it serves while it drains.
    let to = twin.until_ready(1, &old.container).await + SPREAD;
    visits.answered(60).await;
    let report = visits.end().await;
    // Sessions that are open end with their pod, and are opened again.
    let sessions = Allowed { ending: vec![from..to], ..Allowed::default() };
    report.judge("a rolling update, one replica", &sessions);
}
