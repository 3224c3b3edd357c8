use super::*;

fn set<T: Ord, const N: usize>(items: [T; N]) -> Option<BTreeSet<T>> {
    Some(items.into_iter().collect())
}

fn texts<const N: usize>(items: [&str; N]) -> Vec<String> {
    items.map(str::to_owned).to_vec()
}

fn group(name: &str) -> Option<Callers> {
    Some(Callers { groups: [name.to_owned()].into(), users: BTreeSet::new() })
}

fn kinds<const N: usize>(names: [&str; N]) -> Option<KindSet> {
    Some(KindSet::parse(&texts(names)).unwrap())
}

const PODS: Read<'_> = Read::BuiltIn { group: "", resource: "pods" };
const LOG: Read<'_> = Read::BuiltIn { group: "", resource: "pods/log" };
const NODES: Read<'_> = Read::BuiltIn { group: "", resource: "nodes" };
const SHOP: Scope<'_> = Scope::Namespace("shop");

#[test]
fn a_caller_gets_the_intersection_of_the_rules_that_name_it() {
    let tool = |name| ToolName::parse(name).unwrap();
    let policy = CallerPolicy::new(
        vec![
            CallerRule {
                callers: group("oncall"),
                tools: set([tool("pods_list"), tool("pods_log")]),
                namespaces: set(["shop".to_owned(), "web".to_owned()]),
                ..CallerRule::default()
            },
            CallerRule {
                callers: Some(Callers { groups: BTreeSet::new(), users: ["jane".to_owned()].into() }),
                tools: set([tool("pods_log"), tool("find")]),
                namespaces: set(["web".to_owned(), "dev".to_owned()]),
                ..CallerRule::default()
            },
        ],
        PolicyDefault::Allow,
    );
    let both = policy.ceiling("jane", &texts(["oncall", "x"]));
    assert!(both.allows_tool("pods_log") && !both.allows_tool("pods_list") && !both.allows_tool("find"));
    assert_eq!(both.namespaces().unwrap(), ["web"].into());
    let refused = both.check(PODS, SHOP).unwrap_err();
    assert_eq!(refused.reason, Reason::Forbidden);
    assert!(
        refused.message.contains("pods in namespace \"shop\"") && refused.message.ends_with(": web."),
        "{refused}"
    );
    assert!(both.check(PODS, Scope::Namespace("web")).is_ok());

    let one = policy.ceiling("john", &texts(["oncall"]));
    assert!(one.allows_tool("pods_list") && !one.allows_tool("find"));
    assert!(one.check(PODS, SHOP).is_ok() && one.check(PODS, Scope::AllNamespaces).is_err());

    let other = policy.ceiling("john", &texts(["Oncall", "on"]));
    assert!(other.allows_tool("find") && other.namespaces().is_none());
    assert!(other.check(NODES, Scope::Cluster).is_ok() && other.check(PODS, Scope::AllNamespaces).is_ok());
}

#[test]
fn a_caller_that_no_rule_names_gets_everything_or_nothing() {
    let rules = vec![CallerRule { callers: group("oncall"), ..CallerRule::default() }];
    let allow = CallerPolicy::new(rules.clone(), PolicyDefault::Allow).ceiling("jane", &[]);
    assert!(allow.allows_tool("find") && allow.check(PODS, SHOP).is_ok());
    let policy = CallerPolicy::new(rules, PolicyDefault::Deny);
    let deny = policy.ceiling("jane", &[]);
    assert!(!deny.allows_tool("find") && deny.check(PODS, SHOP).unwrap_err().reason == Reason::NotGranted);
    // A rule without lists opens everything to those that it names.
    let named = policy.ceiling("jane", &texts(["oncall"]));
    assert!(named.allows_tool("find") && named.check(NODES, Scope::Cluster).is_ok());
    let everybody = CallerPolicy::new(vec![CallerRule::default()], PolicyDefault::Deny);
    assert!(everybody.ceiling("x", &[]).allows_tool("find"));
}

#[test]
fn a_kind_does_not_open_its_parts_and_each_group_of_events_is_one_kind() {
    let rule = CallerRule { kinds: kinds(["pods", "Event", "deploy"]), ..CallerRule::default() };
    let ceiling = CallerPolicy::new(vec![rule], PolicyDefault::Allow).ceiling("jane", &[]);
    assert!(ceiling.check(PODS, SHOP).is_ok() && ceiling.check(LOG, SHOP).is_err());
    for (group, resource, open) in [
        ("", "events", true),
        ("events.k8s.io", "events", true),
        ("apps", "deployments", true),
        ("apps", "statefulsets", false),
        ("metrics.k8s.io", "pods", false),
    ] {
        let read = Read::BuiltIn { group, resource };
        assert_eq!(ceiling.check(read, SHOP).is_ok(), open, "{group} {resource}");
    }
    let core = CallerRule { kinds: kinds(["*"]), ..CallerRule::default() };
    let ceiling = CallerPolicy::new(vec![core], PolicyDefault::Allow).ceiling("jane", &[]);
    let kubelet = Read::BuiltIn { group: "", resource: "nodes/proxy" };
    assert!(ceiling.check(PODS, SHOP).is_ok() && ceiling.check(LOG, SHOP).is_err());
    assert!(ceiling.check(kubelet, Scope::Cluster).is_err());
    let log = CallerRule { kinds: kinds(["pods/log"]), ..CallerRule::default() };
    let ceiling = CallerPolicy::new(vec![log], PolicyDefault::Allow).ceiling("jane", &[]);
    assert!(ceiling.check(LOG, SHOP).is_ok() && ceiling.check(PODS, SHOP).is_err());
}

#[test]
fn namespaces_exclude_kinds_without_one_unless_they_are_named_beside_them() {
    let shop = || set(["shop".to_owned()]);
    let narrow = CallerRule { namespaces: shop(), ..CallerRule::default() };
    let named = CallerRule { namespaces: shop(), kinds: kinds(["pods", "nodes"]), ..CallerRule::default() };
    for (rules, open) in
        [(vec![narrow.clone()], false), (vec![named.clone()], true), (vec![named, narrow], false)]
    {
        let ceiling = CallerPolicy::new(rules, PolicyDefault::Allow).ceiling("jane", &[]);
        assert_eq!(ceiling.check(NODES, Scope::Cluster).is_ok(), open);
        assert!(ceiling.check(PODS, SHOP).is_ok());
    }
}

#[test]
fn a_caller_may_call_some_tool_only_if_one_is_in_all_lists() {
    let of = |tools: &[&str]| CallerRule {
        tools: Some(tools.iter().map(|name| ToolName::parse(name).unwrap()).collect()),
        ..CallerRule::default()
    };
    let narrow = CallerRule { namespaces: set(["shop".to_owned()]), ..CallerRule::default() };
    for (rules, default, any) in [
        (vec![of(&["find", "pods_log"]), narrow.clone(), of(&["pods_log"])], PolicyDefault::Allow, true),
        (vec![of(&["find"]), of(&["pods_log"])], PolicyDefault::Allow, false),
        (vec![of(&[])], PolicyDefault::Allow, false),
        (vec![narrow], PolicyDefault::Allow, true),
        (vec![], PolicyDefault::Allow, true),
        (vec![], PolicyDefault::Deny, false),
    ] {
        let told = format!("{rules:?}");
        let ceiling = CallerPolicy::new(rules, default).ceiling("jane", &[]);
        assert_eq!(ceiling.allows_any_tool(), any, "{told}");
    }
}

#[test]
fn an_empty_list_leaves_nothing() {
    let rule = CallerRule { namespaces: set([]), ..CallerRule::default() };
    let refused = CallerPolicy::new(vec![rule], PolicyDefault::Allow).ceiling("jane", &[]).check(PODS, SHOP);
    assert!(refused.unwrap_err().message.ends_with(": none."));
    let mistake = KindSet::parse(&texts(["pods", "secrt"])).unwrap_err();
    assert!(mistake.starts_with("\"secrt\" names no kind") && mistake.contains("secret"), "{mistake}");
}
