//! Pods that end while Dify visits.

use std::time::Instant;

use porthole_testbed::{http::Way, node::ADDRESS};

use crate::{
    deployed::Deployed,
    shell,
    twin::{OPENED, Pod, SPREAD, Twin},
    visits::Allowed,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_second_replica_visits_are_refused_at_once_until_a_killed_pod_is_back() {
    let deployed = Deployed::get().await;
    let twin = Twin::create(&deployed.node, "single", 1, |_| ()).await;
    let door = twin.door(&deployed.token);

    let old = twin.pods()[0].clone();
    let visits = twin.visits(&door).await;
    let from = Instant::now();
    twin.kill(&old.container);
    let to = twin.until_ready(1, &old.container).await + SPREAD;
    visits.answered(60).await;
    let none = Allowed { closed: vec![from..to + OPENED], killed: vec![from..to], ..Allowed::default() };
    let report = visits.end().await;
    report.judge("the process killed (SIGKILL), one replica", &none);
    assert!(report.broken() > 0, "sessions were on the one pod");

    let old = twin.pods()[0].clone();
    let visits = twin.visits(&door).await;
    let from = Instant::now();
    delete(deployed, &old.name, "--force --grace-period=0");
    let to = twin.until_ready(1, &old.container).await + SPREAD;
    visits.answered(60).await;
    let none = Allowed { closed: vec![from..to + OPENED], killed: vec![from..to], ..Allowed::default() };
    visits.end().await.judge("the pod deleted by force, one replica", &none);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_may_end_and_no_visit_is_lost() {
    let deployed = Deployed::get().await;
    let twin = Twin::create(&deployed.node, "pair", 2, |_| ()).await;
    let mut door = twin.door(&deployed.token);
    // The Service finds a pod by the client's address.
    door.ways = (11..19).map(|last| Way::from(address(deployed, last))).collect();

    let [old, other] = two(&twin);
    let visits = twin.visits(&door).await;
    let from = Instant::now();
    delete(deployed, &old.name, "--wait=false");
    let to = twin.until_ready(2, &old.container).await + SPREAD;
    visits.answered(60).await;
    let ending = Allowed { ending: vec![from..to], ..Allowed::default() };
    visits.end().await.judge("a pod deleted, two replicas, eight addresses", &ending);

    // Clients stay where they are, so all of them are at the one that was there before.
    let old = other;
    let visits = twin.visits(&door).await;
    let from = Instant::now();
    let [one, another] = two(&twin);
    delete(deployed, &old.name, "--force --grace-period=0");
    // The kubelet may end it before kube-proxy leads elsewhere.
    let gone = Instant::now();
    let to = twin.until_ready(2, &old.container).await + SPREAD;
    visits.answered(60).await;
    let killed = Allowed { closed: vec![from..gone + SPREAD], killed: vec![from..to], ..Allowed::default() };
    let report = visits.end().await;
    report.judge("a pod deleted by force, two replicas, eight addresses", &killed);
    assert!(report.broken() > 0, "every client was on the pod");

    let old = if one.name == old.name { another } else { one };
    let visits = twin.visits(&door).await;
    let from = Instant::now();
    twin.kill(&old.container);
    // Until the kubelet has seen it, the Service leads to the dead one, too.
    let noticed = twin.until_noticed(&old.container).await + SPREAD;
    let to = twin.until_ready(2, &old.container).await + SPREAD;
    visits.answered(60).await;
    let killed =
        Allowed { closed: vec![from..noticed + OPENED], killed: vec![from..to], ..Allowed::default() };
    let report = visits.end().await;
    report.judge("a process killed (SIGKILL), two replicas, eight addresses", &killed);
    assert!(report.broken() > 0, "every client was on the pod");
}

fn two(twin: &Twin) -> [Pod; 2] {
    twin.pods().try_into().unwrap()
}

fn delete(deployed: &Deployed, pod: &str, how: &str) {
    deployed
        .node
        .kubectl(
            &[&["delete", "pod", "-n", "mcp-tools", pod][..], &how.split(' ').collect::<Vec<_>>()].concat(),
        )
        .unwrap();
}

/// Another address of the node.
fn address(deployed: &Deployed, last: u8) -> std::net::IpAddr {
    let address = format!("{}.{last}", ADDRESS.rsplit_once('.').unwrap().0);
    // Tests run within the node's network.
    shell(&deployed.node, &format!("ip address replace {address}/24 dev node0"));
    address.parse().unwrap()
}
