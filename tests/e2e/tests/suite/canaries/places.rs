//! Places that defaults protect, each with a canary of its own.

use std::{cell::RefCell, io::Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use porthole_testbed::{accounts, cluster::Cluster, fixtures};
use serde_json::{Value, json};

pub(super) const NAMESPACE: &str = "canaries";
/// Bootstrap tokens are Secrets of this namespace.
const SYSTEM: &str = "kube-system";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Planted objects.
#[derive(Default)]
pub(super) struct Planted {
    /// Places with their canaries.
    pub(super) canaries: RefCell<Vec<(String, String)>>,
    /// Secrets by namespace and name.
    pub(super) secrets: Vec<(&'static str, String)>,
}

impl Planted {
    /// A new canary: letters and digits, so that every place takes it.
    pub(super) fn canary(&self, place: &str) -> String {
        let mut canaries = self.canaries.borrow_mut();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let canary = format!("c4n{:02}{}", canaries.len(), &random[..11]);
        canaries.push((place.to_owned(), canary.clone()));
        canary
    }

    /// Plants a canary in each place.
    pub(super) async fn plant(cluster: &Cluster) -> Self {
        let client = cluster.admin().await.unwrap();
        for namespace in [NAMESPACE, SYSTEM] {
            accounts::namespace(&client, namespace).await.unwrap();
        }
        let mut planted = Self::default();
        planted.secrets(&client).await;
        planted.annotations(&client).await;
        planted.managed_fields(&client).await;
        planted.messages(cluster, &client).await;
        planted
    }

    async fn secrets(&mut self, client: &kube::Client) {
        let robot = accounts::account(client, NAMESPACE, "robot").await.unwrap();
        self.token("the token of another account", &robot);
        let config = |user: &str, password: &str| {
            let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
            json!({"registry.example.com": {"username": user, "password": password, "auth": auth}})
        };
        let docker = json!({"auths": config("robot", &self.canary("kubernetes.io/dockerconfigjson"))});
        let old_docker = config("robot", &self.canary("kubernetes.io/dockercfg"));
        let release = self.release();
        // Part of the release as it is stored, which unpacks to its values.
        self.canaries.borrow_mut().push(("a stored release".into(), release[40..80].to_owned()));
        let bootstrap = "c4n4ry";
        let fields = [
            ("opaque", "Opaque", json!({"password": self.canary("Opaque, stringData")})),
            (
                "basic-auth",
                "kubernetes.io/basic-auth",
                json!({"username": "admin", "password": self.canary("basic-auth")}),
            ),
            ("ssh-auth", "kubernetes.io/ssh-auth", json!({"ssh-privatekey": pem(&self.canary("ssh-auth"))})),
            (
                "tls",
                "kubernetes.io/tls",
                json!({"tls.crt": pem(&self.canary("tls.crt")), "tls.key": pem(&self.canary("tls.key"))}),
            ),
            (
                "dockerconfigjson",
                "kubernetes.io/dockerconfigjson",
                json!({".dockerconfigjson": docker.to_string()}),
            ),
            ("dockercfg", "kubernetes.io/dockercfg", json!({".dockercfg": old_docker.to_string()})),
            (
                "account-token",
                "kubernetes.io/service-account-token",
                json!({"token": robot, "namespace": self.canary("service-account-token")}),
            ),
            ("custom", "example.com/custom", json!({"any": self.canary("a type of its own")})),
            ("sh.helm.release.v1.canary.v1", "helm.sh/release.v1", json!({"release": release})),
        ];
        for (name, kind, text) in fields {
            let mut secret =
                json!({"metadata": {"name": name, "annotations": {}}, "type": kind, "stringData": text});
            if kind.ends_with("service-account-token") {
                secret["metadata"]["annotations"]["kubernetes.io/service-account.name"] = "robot".into();
            }
            if kind.starts_with("helm") {
                secret["metadata"]["labels"] =
                    json!({"owner": "helm", "name": "canary", "status": "deployed", "version": "1"});
            }
            self.secret(client, NAMESPACE, name, secret).await;
        }
        let binary = BASE64_STANDARD.encode(format!("\u{0}\u{1}{}", self.canary("Opaque, data")));
        let fixed = json!({"metadata": {"name": "immutable"}, "immutable": true, "data": {"binary": binary}});
        self.secret(client, NAMESPACE, "immutable", fixed).await;
        let name = format!("bootstrap-token-{bootstrap}");
        let token = json!({"token-id": bootstrap, "token-secret": self.canary("a bootstrap token"), "usage-bootstrap-authentication": "true"});
        let secret =
            json!({"metadata": {"name": name}, "type": "bootstrap.kubernetes.io/token", "stringData": token});
        self.secret(client, SYSTEM, &name, secret).await;
    }

    /// Adds the parts of a token that are its own: claims and signature.
    pub(super) fn token(&self, place: &str, token: &str) {
        let parts = token.split('.').skip(1).map(|part| (place.to_owned(), part.to_owned()));
        self.canaries.borrow_mut().extend(parts);
    }

    async fn secret(&mut self, client: &kube::Client, namespace: &'static str, name: &str, secret: Value) {
        accounts::create(client, &format!("/api/v1/namespaces/{namespace}/secrets"), &secret).await.unwrap();
        self.secrets.push((namespace, name.to_owned()));
    }

    /// A release as Helm 3 stores it.
    fn release(&self) -> String {
        let release = json!({"name": "canary", "namespace": NAMESPACE, "version": 1,
            "info": {"status": "deployed", "last_deployed": "2026-11-02T10:00:00Z", "description": "Install complete",
                "notes": self.canary("notes of a release")},
            "config": {"auth": {"password": self.canary("values of a release")}},
            "manifest": format!("kind: Secret\nstringData: {{x: {}}}", self.canary("manifest of a release")),
            "chart": {"metadata": {"name": "postgresql", "version": "16.4.1"},
                "values": {"password": self.canary("values of a chart")},
                "templates": [{"name": "a", "data": BASE64_STANDARD.encode(self.canary("a template of a chart"))}]}});
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(release.to_string().as_bytes()).unwrap();
        BASE64_STANDARD.encode(gzip.finish().unwrap())
    }

    async fn annotations(&mut self, client: &kube::Client) {
        let applied =
            json!({"kind": "Secret", "stringData": {"password": self.canary("last-applied of a Secret")}});
        let secret = json!({"metadata": {"name": "annotated", "annotations": {
            LAST_APPLIED: applied.to_string(),
            "kapp.k14s.io/original": json!({"data": {"x": BASE64_STANDARD.encode(self.canary("kapp"))}}).to_string(),
            "openshift.io/token-secret.value": self.canary("OpenShift"),
            "anything.example.com/else": self.canary("any annotation of a Secret"),
        }}, "stringData": {"x": "y"}});
        self.secret(client, NAMESPACE, "annotated", secret).await;
        let applied =
            |canary: String| json!({LAST_APPLIED: json!({"data": {"password": canary}}).to_string()});
        let map = json!({"metadata": {"name": "applied", "annotations": applied(self.canary("last-applied of a ConfigMap"))}, "data": {"shown": "x"}});
        accounts::create(client, &format!("/api/v1/namespaces/{NAMESPACE}/configmaps"), &map).await.unwrap();
        let pod = json!({"metadata": {"name": "canary", "annotations": applied(self.canary("last-applied of a Pod"))},
            "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]}});
        accounts::create(client, &format!("/api/v1/namespaces/{NAMESPACE}/pods"), &pod).await.unwrap();
    }

    /// Keys of lists in managedFields quote values; these quote values that the object no longer has.
    async fn managed_fields(&mut self, client: &kube::Client) {
        for (plural, name) in [("configmaps", "applied"), ("secrets", "opaque"), ("pods", "canary")] {
            let path = format!("/api/v1/namespaces/{NAMESPACE}/{plural}/{name}");
            let get = http::Request::get(&path).body(Vec::new()).unwrap();
            let mut object: Value = client.request(get).await.unwrap();
            let canary = self.canary(&format!("managedFields of {plural}"));
            let key = format!("v:\"example.com/{canary}\"");
            let entry = json!({"manager": "planted", "operation": "Update", "apiVersion": "v1", "time": "2026-11-02T10:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:finalizers": {key: {}}}}});
            object["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
            accounts::send(client, "PUT", &path, &object).await.unwrap();
        }
    }

    /// Secrets of a known form in a log, an event and the last words of a container.
    async fn messages(&self, cluster: &Cluster, client: &kube::Client) {
        let token = |place: &str| format!("login with ghp_{0}{0}{0} failed", self.canary(place));
        for file in ["app.log", "app.previous.log"] {
            let text = format!("started\n{}\nended\n", token(&format!("the log {file}")));
            fixtures::write_log(cluster, &format!("{NAMESPACE}/canary/{file}"), &text).unwrap();
        }
        let status = json!({"status": {"containerStatuses": [{"name": "app", "ready": false, "restartCount": 3, "image": "x", "imageID": "x",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": token("a container that waits")}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": token("a container that ended")}}}]}});
        let path = format!("/api/v1/namespaces/{NAMESPACE}");
        accounts::send(client, "PATCH", &format!("{path}/pods/canary/status"), &status).await.unwrap();
        let now = fixtures::now();
        let event = json!({"metadata": {"name": "canary"}, "type": "Warning", "reason": "Failed", "message": token("an event"),
            "firstTimestamp": now, "lastTimestamp": now, "count": 2,
            "involvedObject": {"kind": "Pod", "name": "canary", "namespace": NAMESPACE}});
        accounts::create(client, &format!("{path}/events"), &event).await.unwrap();
    }
}

/// A canary as key material.
fn pem(canary: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n")
}
