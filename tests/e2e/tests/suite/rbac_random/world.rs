//! Accounts, objects, roles and bindings of a seed.

use futures::{StreamExt, TryStreamExt, stream};
use porthole_testbed::{accounts, cluster::Cluster, fixtures};
use serde_json::{Value, json};

use super::cases::{Case, KINDS, Kind};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";
/// Concurrent requests while the objects are created.
const MAX_CONCURRENT: usize = 16;
/// Namespaces with objects, and those of the accounts, whose groups are bound too.
const NAMESPACES: usize = 3;
const HOMES: usize = 5;

/// Deterministic numbers: SplitMix64.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// An account with its questions.
pub(super) struct Account {
    pub(super) user: String,
    pub(super) token: String,
    pub(super) cases: Vec<Case>,
    home: String,
}

impl Account {
    /// True if a binding names the account or its group, or if a role belongs to such a binding.
    pub(super) fn is_concerned_by(&self, right: &Value) -> bool {
        right["metadata"]["annotations"]["grantee"] == self.user.as_str()
            || right["metadata"]["annotations"]["grantee"] == group_of(&self.home).as_str()
    }
}

/// A grant: what a question is drawn from.
pub(super) struct Grant {
    pub(super) kind: &'static Kind,
    /// Namespace of the binding; `None`: all.
    pub(super) within: Option<String>,
    pub(super) verbs: &'static [&'static str],
    /// Roles and bindings as they are created, with their collections.
    objects: Vec<(String, Value)>,
}

/// All of a seed.
pub(super) struct World {
    pub(super) seed: u64,
    /// Stands in every object that is read.
    pub(super) mark: String,
    /// Ends every object's name.
    pub(super) suffix: String,
    pub(super) namespaces: Vec<String>,
    pub(super) accounts: Vec<Account>,
    /// Roles and bindings.
    pub(super) rights: Vec<Value>,
}

impl World {
    /// Creates `extent.0` accounts with `extent.1` questions each, and waits until the authorizer has seen all rights.
    pub(super) async fn create(cluster: &Cluster, seed: u64, extent: (usize, usize)) -> Self {
        let mut draw = Draw(seed);
        let name = format!("rights{seed:x}");
        let mut world = Self {
            seed,
            mark: format!("mark-{:016x}", draw.next()),
            suffix: format!("-{:08x}", draw.next() >> 32),
            namespaces: (0..NAMESPACES).map(|n| format!("{name}-{n}")).collect(),
            accounts: Vec::new(),
            rights: Vec::new(),
        };
        let homes: Vec<String> = (0..HOMES).map(|n| format!("{name}-home-{n}")).collect();
        let client = cluster.admin().await.unwrap();
        for namespace in world.namespaces.iter().chain(&homes) {
            accounts::namespace(&client, namespace).await.unwrap();
        }
        world.create_objects(cluster, &client).await;
        let mut objects = Vec::new();
        let of_homes: Vec<Vec<Grant>> = homes
            .iter()
            .map(|home| (0..2).map(|n| world.grant(&mut draw, &format!("{home}-g{n}"), home, None)).collect())
            .collect();
        objects.extend(of_homes.iter().flatten().flat_map(|grant| grant.objects.clone()));
        for number in 0..extent.0 {
            let (at, short) = (number % HOMES, format!("a{number}"));
            let home = &homes[at];
            let token = accounts::account(&client, home, &short).await.unwrap();
            let user = format!("system:serviceaccount:{home}:{short}");
            let grants: Vec<Grant> = (0..=draw.below(4))
                .map(|n| world.grant(&mut draw, &format!("{name}-{short}-{n}"), home, Some(&short)))
                .collect();
            objects.extend(grants.iter().flat_map(|grant| grant.objects.clone()));
            let all: Vec<&Grant> = grants.iter().chain(&of_homes[at]).collect();
            let cases = (0..extent.1).map(|_| Case::draw(&mut draw, &world, &all)).collect();
            world.accounts.push(Account { user, token, cases, home: home.clone() });
        }
        world.rights = objects.iter().map(|(_, object)| object.clone()).collect();
        stream::iter(objects)
            .map(|(path, object)| {
                let client = &client;
                async move { accounts::create(client, &path, &object).await }
            })
            .buffer_unordered(MAX_CONCURRENT)
            .try_collect::<()>()
            .await
            .unwrap();
        world.settle(cluster, &client, &name).await;
        world
    }

    /// Name of one of the two objects of a kind in a namespace; the third does not exist.
    pub(super) fn object(&self, kind: &Kind, number: usize) -> String {
        match (kind.plural, number) {
            ("namespaces", number) => self.namespaces[number % NAMESPACES].clone(),
            (plural, number) => {
                format!("{plural}-{}{}", ["one", "two", "gone"][number % 3], self.suffix)
            }
        }
    }

    /// Two objects of each kind, in each namespace if the kind has namespaces.
    async fn create_objects(&self, cluster: &Cluster, client: &kube::Client) {
        for kind in KINDS.iter().filter(|kind| kind.plural != "namespaces") {
            for (number, namespace) in (0..2).flat_map(|n| self.namespaces.iter().map(move |s| (n, s))) {
                let name = self.object(kind, number);
                let mut object = (kind.body)();
                object["metadata"] = json!({"name": name, "annotations": {"mark": self.mark}});
                accounts::create(client, &kind.collection(Some(namespace)), &object).await.unwrap();
                if kind.plural == "pods" {
                    let text = format!("a line {}\n", self.mark);
                    fixtures::write_log(cluster, &format!("{namespace}/{name}/app.log"), &text).unwrap();
                }
            }
        }
    }

    /// Draws a role with one rule or two, and a binding for an account, or for the group of its home.
    fn grant(&self, draw: &mut Draw, name: &str, home: &str, account: Option<&str>) -> Grant {
        let kind = draw.one_of(KINDS);
        let verbs = *draw.one_of(&[
            &["get"][..],
            &["list"],
            &["get", "list"],
            &["get", "list"],
            &["*"],
            &["watch", "create"],
        ]);
        let mut rules = vec![self.rule(draw, kind, verbs)];
        if draw.chance(30) {
            let other = draw.one_of(KINDS);
            rules.push(self.rule(draw, other, &["get", "list"]));
        }
        let user = account.map(|account| format!("system:serviceaccount:{home}:{account}"));
        let metadata = |name: &str| {
            let grantee = user.clone().unwrap_or_else(|| group_of(home));
            json!({"name": name, "annotations": {"grantee": grantee}})
        };
        let within = draw.chance(65).then(|| draw.one_of(&self.namespaces).clone());
        let place =
            within.as_ref().map_or(RBAC.to_owned(), |namespace| format!("{RBAC}/namespaces/{namespace}"));
        let mut objects = Vec::new();
        let role = if within.is_some() && draw.chance(60) { "Role" } else { "ClusterRole" };
        let roles = if role == "Role" { format!("{place}/roles") } else { format!("{RBAC}/clusterroles") };
        match draw.below(100) {
            // A binding may name a role that does not exist.
            0..5 => {}
            // A role of roles: the controller copies the rules of those with the label, which has not happened yet
            // for some. This cluster has no controllers, so the rules are written as it does.
            5..25 if role == "ClusterRole" => {
                let label = json!({format!("aggregate-to-{name}"): "true"});
                let mut part = metadata(&format!("{name}-part"));
                part["labels"] = label.clone();
                objects.push((roles.clone(), json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": role, "metadata": part, "rules": rules})));
                let copied = if draw.chance(70) { json!(rules) } else { json!([]) };
                objects.push((roles, json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": role, "metadata": metadata(name),
                    "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": label}]}, "rules": copied})));
            }
            _ => objects.push((roles, json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": role, "metadata": metadata(name), "rules": rules}))),
        }
        let subject = match (account, draw.below(100)) {
            (None, _) => json!({"kind": "Group", "apiGroup": GROUP, "name": group_of(home)}),
            // The same account by its user name, and one of another namespace that is called the same.
            (Some(_), 0..10) => json!({"kind": "User", "apiGroup": GROUP, "name": user}),
            (Some(account), 10..15) => {
                json!({"kind": "ServiceAccount", "namespace": self.namespaces[0], "name": account})
            }
            (Some(account), _) => json!({"kind": "ServiceAccount", "namespace": home, "name": account}),
        };
        let (bindings, binding) = match within {
            Some(_) => ("rolebindings", "RoleBinding"),
            None => ("clusterrolebindings", "ClusterRoleBinding"),
        };
        let bound = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding, "metadata": metadata(name),
            "roleRef": {"apiGroup": GROUP, "kind": role, "name": name}, "subjects": [subject]});
        objects.push((format!("{place}/{bindings}"), bound));
        Grant { kind, within, verbs, objects }
    }

    fn rule(&self, draw: &mut Draw, kind: &Kind, verbs: &[&str]) -> Value {
        let group = match draw.below(100) {
            0..8 => "*",
            8..14 => "batch",
            _ => kind.group,
        };
        let plural = kind.plural;
        let resources = match (plural, draw.below(100)) {
            (_, 0..4) => json!(["*"]),
            (_, 4..10) => json!([format!("{plural}/status")]),
            ("pods", 10..35) => json!(["pods/log"]),
            ("pods", 35..45) => json!(["*/log"]),
            // Only `*/log` is a pattern of subresources; this one is of no resource.
            ("pods", 45..50) => json!(["pods/*"]),
            ("pods", 50..70) => json!(["pods", "pods/log"]),
            _ => json!([plural]),
        };
        let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        if draw.chance(25) {
            rule["resourceNames"] = json!([self.object(kind, draw.below(3))]);
        }
        rule
    }

    /// Waits for rights that are created after all others, in each of the authorizer's four caches.
    async fn settle(&self, cluster: &Cluster, client: &kube::Client, name: &str) {
        let home = format!("{name}-home-0");
        let token = accounts::account(client, &home, "last").await.unwrap();
        let rules = |resource| json!([{"apiGroups": [""], "resources": [resource], "verbs": ["list"]}]);
        accounts::allow(client, (&home, "last"), Some(&self.namespaces[0]), rules("endpoints"))
            .await
            .unwrap();
        accounts::allow(client, (&home, "last"), None, rules("limitranges")).await.unwrap();
        let last = self::client(cluster, &token).await;
        let begun = std::time::Instant::now();
        let paths = [
            format!("/api/v1/namespaces/{}/endpoints", self.namespaces[0]),
            "/api/v1/limitranges".to_owned(),
        ];
        for path in paths {
            while last.request_text(http::Request::get(&path).body(Vec::new()).unwrap()).await.is_err() {
                assert!(begun.elapsed().as_secs() < 30, "the rights are not seen");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

fn group_of(home: &str) -> String {
    format!("system:serviceaccounts:{home}")
}

/// A client of the API server with an account's token.
pub(super) async fn client(cluster: &Cluster, token: &str) -> kube::Client {
    let name = format!("random-{}.kubeconfig", uuid::Uuid::new_v4());
    let path = cluster.write_kubeconfig(&name, &json!({"token": token})).unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}
