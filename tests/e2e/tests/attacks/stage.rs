//! A host in a cage, the attackers' accounts, and the bystander.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use porthole_testbed::{
    accounts,
    bystander::{Bystander, Felt, PROBE, percentile},
    cage::Cage,
    cluster::Cluster,
    dify::Dify,
    http::Streamable,
    porthole::{Porthole, audited_calls, binary, guest, tools},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::Case;

/// Namespace of the attackers.
pub(crate) const NAMESPACE: &str = "attacks";
/// Maximum time until a host has done what it does on its own, on a busy machine: it gives one file two minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// p99 of a bystander without an attack, in ms.
static ALONE: OnceCell<f64> = OnceCell::const_new();

/// Settings of a stage.
#[derive(Default)]
pub(crate) struct Setting<'s> {
    /// Configuration file.
    pub(crate) config: &'s str,
    /// Files beside the tools.
    pub(crate) files: Vec<(&'s str, Vec<u8>)>,
    /// Test guests beside the tools.
    pub(crate) guests: &'s [&'s str],
    /// Kubeconfig of a hostile API server instead of the real one.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Prepares the folder before the start.
    pub(crate) prepare: Option<fn(&Path)>,
    pub(crate) options: &'s [&'s str],
}

/// A host under attack.
pub(crate) struct Stage {
    pub(crate) host: Porthole,
    pub(crate) cluster: Cluster,
    pub(crate) cage: Cage,
    pub(crate) bystander: Bystander,
    pub(crate) folder: tempfile::TempDir,
    case: &'static Case,
    resident: u64,
}

impl Stage {
    /// A host on the real API server, with all tools and the default configuration.
    pub(crate) async fn usual(case: &'static Case) -> Self {
        Self::set(case, Setting::default()).await
    }

    pub(crate) async fn set(case: &'static Case, setting: Setting<'_>) -> Self {
        let stage = Self::start(case, setting).await;
        stage.host.until_loaded().await.unwrap();
        stage.settle().await
    }

    /// As [`set`](Self::set), without waiting until every file has been tried.
    pub(crate) async fn start(case: &'static Case, setting: Setting<'_>) -> Self {
        let cluster = Cluster::for_tests();
        let hostile = setting.kubeconfig.is_some();
        let token =
            if hostile { "opaque-bystander-0123456789".to_owned() } else { bystander(&cluster).await };
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("tools");
        std::fs::create_dir(&plugins).unwrap();
        for entry in std::fs::read_dir(tools()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), plugins.join(entry.file_name())).unwrap();
        }
        for name in setting.guests {
            std::fs::copy(guest(name), plugins.join(format!("{name}.wasm"))).unwrap();
        }
        for (name, bytes) in &setting.files {
            std::fs::write(plugins.join(name), bytes).unwrap();
        }
        if let Some(prepare) = setting.prepare {
            prepare(&plugins);
        }
        let config = folder.path().join("porthole.yaml");
        std::fs::write(&config, setting.config).unwrap();
        let kubeconfig = setting.kubeconfig.unwrap_or_else(|| cluster.kubeconfig.clone());
        let text = |path: &Path| path.display().to_string();
        let (plugins, config, audit, kubeconfig) =
            (text(&plugins), text(&config), text(&folder.path().join("audit")), text(&kubeconfig));
        let mut options =
            vec!["--plugins", &plugins, "--config", &config, "--audit", &audit, "--kubeconfig", &kubeconfig];
        options.extend(setting.options);
        let cage = Cage::new();
        let usual = [("RUST_LOG", "info,rmcp=warn".to_owned())];
        let host = Porthole::start_by(cage.command(&binary()), &options, &usual).unwrap();
        let tool = if hostile { "api_resources_list" } else { "namespaces_list" };
        let bystander = Bystander { origin: host.origin.clone(), token, tool };
        Self { host, cluster, cage, bystander, folder, case, resident: 0 }
    }

    /// Measures a bystander without an attack, and resets the peak memory.
    pub(crate) async fn settle(mut self) -> Self {
        let calm = async { tokio::time::sleep(Duration::from_secs(2)).await };
        let alone = ALONE
            .get_or_init(|| async { percentile(&self.bystander.during(calm).await.1.calls, 0.99) })
            .await;
        assert!(*alone > 0.0);
        self.client(&self.bystander.token).call(self.bystander.tool, json!({})).await.unwrap();
        // Resets the peak, which counts from here.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.host.id()), "5");
        self.resident = self.memory("VmRSS");
        self
    }

    pub(crate) fn client(&self, token: &str) -> Streamable {
        Streamable::new(&self.host.origin, Some(token))
    }

    /// Runs an attack beside the bystander, who must be answered throughout, and prints its measurements.
    pub(crate) async fn attack<T>(&self, attack: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let (outcome, felt) = self.bystander.during(attack).await;
        let took = begun.elapsed().as_secs_f64();
        let Felt { healthz, calls, failed } = &felt;
        let (p50, p99) = (percentile(calls, 0.5), percentile(calls, 0.99));
        let alone = ALONE.get().copied().unwrap_or(f64::NAN);
        let worst = healthz.iter().max().copied().unwrap_or_default();
        println!(
            "attacks: {:?} {} {}: healthz p99 {:.0} ms, worst {:.0} ms; bystander p50 {p50:.0} ms, p99 {p99:.0} ms = {:.1} x; host +{} MB; {took:.1} s",
            self.case.numbers,
            self.case.finding,
            self.case.attack,
            percentile(healthz, 0.99),
            worst.as_secs_f64() * 1e3,
            p99 / alone,
            self.grown(),
        );
        assert!(failed.is_empty(), "{}: a bystander was not served: {failed:?}", self.case.explained());
        assert!(worst < PROBE, "{}: /healthz took {worst:?}", self.case.explained());
        outcome
    }

    /// Growth of the host's peak memory since it was settled, in MB.
    pub(crate) fn grown(&self) -> u64 {
        self.memory("VmHWM").saturating_sub(self.resident) >> 20
    }

    /// Asserts that the host has grown by less than this, in MB.
    pub(crate) fn assert_grown_less_than(&self, megabytes: u64) {
        let grown = self.grown();
        assert!(grown < megabytes, "{}: the host grew by {grown} MB", self.case.explained());
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned();
        let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        kib << 10
    }

    /// Asserts that the host lives and serves.
    pub(crate) async fn assert_serves(&self) {
        let text = self.client(&self.bystander.token).call(self.bystander.tool, json!({})).await.unwrap();
        assert!(!text.starts_with("ERROR"), "{}: {text}", self.case.explained());
    }

    /// Log of the host, as bytes, because it may be no valid UTF-8.
    pub(crate) fn log(&self) -> Vec<u8> {
        std::fs::read(&self.host.log).unwrap()
    }

    /// Audit lines of every answered call; waits for the audit thread, which writes them in order.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        const MARK: &str = "mark_of_the_audit";
        let marks = |lines: &[Value]| lines.iter().filter(|line| line["tool"] == MARK).count();
        let before = marks(&self.audit_so_far());
        self.client(&self.bystander.token).call(MARK, json!({})).await.unwrap();
        let begun = Instant::now();
        loop {
            let mut lines = self.audit_so_far();
            if marks(&lines) > before {
                lines.retain(|line| line["tool"] != MARK);
                return lines;
            }
            assert!(begun.elapsed() < PATIENCE, "the audit is not written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Audit lines of calls written so far.
    pub(crate) fn audit_so_far(&self) -> Vec<Value> {
        audited_calls(&std::fs::read_to_string(self.folder.path().join("audit")).unwrap())
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.folder.path().join("tools")
    }

    /// Reason that a file is not served, once it is known.
    pub(crate) async fn reason(&self, file: &str) -> Option<String> {
        let readiness = self.host.readiness().await.unwrap();
        let failed = readiness["failed"].as_array()?;
        let failed = failed.iter().find(|failed| failed["file"] == file)?;
        failed["reason"].as_str().map(str::to_owned)
    }

    /// Waits for [`reason`](Self::reason).
    pub(crate) async fn until_refused(&self, file: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(reason) = self.reason(file).await {
                return reason;
            }
            assert!(begun.elapsed() < PATIENCE, "{}: {file} is not named", self.case.explained());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An initialized session of Dify.
    pub(crate) async fn session(&self, token: &str) -> Dify {
        let mut dify = Dify::connect(&self.host.origin, Some(token)).await.unwrap();
        dify.initialize("2025-03-26").await.unwrap();
        dify
    }

    /// Creates an account in the attackers' namespace, with cluster-wide rights.
    pub(crate) async fn account(&self, name: &str, rules: Value) -> String {
        account(&self.cluster, name, rules).await
    }

    /// Creates an account without any right.
    pub(crate) async fn nobody(&self) -> String {
        self.account("nobody", json!([])).await
    }

    /// Creates an account that reads everything but Secrets.
    pub(crate) async fn reader(&self) -> String {
        self.account("reader", accounts::reader_rules()).await
    }

    /// Creates a pod with a log, served by the kubelet stub.
    pub(crate) async fn pod(&self, name: &str, log: &str) {
        let client = self.cluster.admin().await.unwrap();
        let body = json!({"metadata": {"name": name}, "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]}});
        accounts::create(&client, &format!("/api/v1/namespaces/{NAMESPACE}/pods"), &body).await.unwrap();
        porthole_testbed::fixtures::write_log(&self.cluster, &format!("{NAMESPACE}/{name}/app.log"), log)
            .unwrap();
    }
}

impl Case {
    /// Explanation of a failure: the attacked promise, and the attack.
    pub(crate) fn explained(&self) -> String {
        format!(
            "{:?} {} ({}), an attack on {:?}; what must hold: {}",
            self.numbers, self.attack, self.finding, self.promise, self.holds
        )
    }
}

async fn bystander(cluster: &Cluster) -> String {
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}]);
    account(cluster, "bystander", rules).await
}

async fn account(cluster: &Cluster, name: &str, rules: Value) -> String {
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, NAMESPACE).await.unwrap();
    let token = accounts::account(&client, NAMESPACE, name).await.unwrap();
    if rules.as_array().is_some_and(|rules| !rules.is_empty()) {
        accounts::allow(&client, (NAMESPACE, name), None, rules).await.unwrap();
    }
    token
}
