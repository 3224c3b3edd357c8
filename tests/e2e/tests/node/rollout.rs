//! A rolling update while Dify visits: of a second deployment beside the guide's, so that other tests keep theirs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use porthole_testbed::dify::Dify;
use serde_json::json;

use crate::{beside::Beside, deployed::Deployed, shell};

/// Port of the second deployment at every node.
const PORT: u16 = 30090;
/// Time between the beginnings of two visits: 20 a second.
const BETWEEN: Duration = Duration::from_millis(50);
/// Maximum number of visits at one time; a host that answers none would make them pile up.
const AT_ONCE: usize = 100;

/// Outcomes of visits.
#[derive(Default)]
struct Visits {
    begun: AtomicUsize,
    open: AtomicUsize,
    ended: AtomicBool,
    lost: Mutex<Vec<String>>,
    slowest: Mutex<Duration>,
}

impl Visits {
    /// Begins visits until they are ended, then waits for those that are open.
    async fn keep_coming(self: Arc<Self>, origin: String, token: String) {
        let mut ticks = tokio::time::interval(BETWEEN);
        while !self.ended.load(Relaxed) {
            ticks.tick().await;
            if self.open.load(Relaxed) >= AT_ONCE {
                self.lost.lock().unwrap().push(format!("{AT_ONCE} visits are open"));
                continue;
            }
            self.begun.fetch_add(1, Relaxed);
            self.open.fetch_add(1, Relaxed);
            let (visits, origin, token) = (Arc::clone(&self), origin.clone(), token.clone());
            tokio::spawn(async move {
                let begun = Instant::now();
                let answer = Dify::visit(&origin, Some(&token), "namespaces_list", json!({})).await;
                match answer {
                    Ok(text) if text.contains("shop") => {}
                    Ok(text) => visits.lost.lock().unwrap().push(text),
                    Err(error) => visits.lost.lock().unwrap().push(format!("{error:#}")),
                }
                let mut slowest = visits.slowest.lock().unwrap();
                *slowest = begun.elapsed().max(*slowest);
                visits.open.fetch_sub(1, Relaxed);
            });
        }
        let ended = Instant::now();
        while self.open.load(Relaxed) > 0 {
            assert!(ended.elapsed() < Duration::from_secs(60), "{} visits are open", self.open.load(Relaxed));
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_loses_no_visit() {
    let deployed = Deployed::get().await;
    let second = Beside::deploy(deployed, ("rolling", "mcp-tools"), PORT, |_| {});
    shell(&deployed.node, "kubectl rollout status -n mcp-tools deploy/rolling --timeout=180s");
    second.until_answered("namespaces_list", "shop").await;
    let visits = Arc::new(Visits::default());
    let coming = tokio::spawn(Arc::clone(&visits).keep_coming(second.origin.clone(), deployed.token.clone()));
    let rolled = tokio::task::spawn_blocking(|| {
        let node = porthole_testbed::node::Node::for_tests();
        shell(&node, "kubectl rollout restart -n mcp-tools deploy/rolling");
        shell(&node, "kubectl rollout status -n mcp-tools deploy/rolling --timeout=180s");
        // Until the old pod is gone: it serves while it drains.
        shell(&node, "kubectl wait -n mcp-tools pod -l app=rolling --for=jsonpath='{.status.phase}'=Running --timeout=60s");
        let pods = || shell(&node, "kubectl get pods -n mcp-tools -l app=rolling -o name");
        let begun = Instant::now();
        while pods().lines().count() > 1 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the old pod stays: {}", pods());
            std::thread::sleep(Duration::from_millis(500));
        }
    })
    .await;
    visits.ended.store(true, Relaxed);
    coming.await.unwrap();
    rolled.unwrap();
    let (begun, lost) = (visits.begun.load(Relaxed), visits.lost.lock().unwrap().clone());
    let slowest = *visits.slowest.lock().unwrap();
    eprintln!(
        "a rolling update: {begun} visits, {} lost, the slowest {} ms",
        lost.len(),
        slowest.as_millis()
    );
    assert!(begun > 100, "{begun} visits");
    assert_eq!(lost, Vec::<String>::new());
}
