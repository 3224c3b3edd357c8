use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// 2026-03-01T12:00:00Z.
fn now() -> SystemTime {
    humantime::parse_rfc3339("2026-03-01T12:00:00Z").unwrap()
}

fn pod() -> Value {
    json!({
        "metadata": {"creationTimestamp": "2026-03-01T10:00:00Z", "serial": "9007199254740993", "labels": {"app.kubernetes.io/name": "web", "a=b": "x,y"}},
        "spec": {"replicas": 3, "hostNetwork": true, "nodeName": null, "containers": [
            {"image": "web:2", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
            {"image": "proxy:1", "resources": {"limits": {"cpu": "2"}}}]},
        "status": {"phase": "Running"}
    })
}

#[test]
fn conditions_hold_or_not() {
    for (filter, expected) in [
        ("", true),
        ("status.phase=Running", true),
        ("status.phase = Pending", false),
        ("status.phase!=Running", false),
        ("status.phase != Pending", true),
        // No value is equal where there is none.
        ("status.reason!=Evicted", true),
        ("status.reason=Evicted", false),
        // One of several is enough; for != none may be.
        ("spec.containers[].image=proxy:1", true),
        ("spec.containers[].image!=proxy:1", false),
        ("spec.containers[].image ~ ^web:", true),
        ("spec.containers[].image ~ '^(web|db):[0-9]{1,2}$'", true),
        ("spec.containers[].image ~ mysql", false),
        // Quantities, as such.
        ("spec.containers[].resources.limits.cpu=0.5", true),
        ("spec.containers[].resources.limits.cpu=2000m", true),
        ("spec.containers[].resources.limits.cpu > 1500m", true),
        ("spec.containers[].resources.limits.cpu > 2", false),
        ("spec.containers[].resources.limits.memory<2Gi", true),
        ("spec.containers[].resources.limits.memory<1024Mi", false),
        ("spec.replicas>2", true),
        ("spec.replicas=3", true),
        ("spec.hostNetwork=true", true),
        // Ages and times: created two hours ago.
        ("metadata.creationTimestamp > 90m", true),
        ("metadata.creationTimestamp > 1h30m", true),
        ("metadata.creationTimestamp<1d", true),
        ("metadata.creationTimestamp < 2h", false),
        ("metadata.creationTimestamp > 2026-03-01T09:00:00Z", true),
        ("metadata.creationTimestamp < 2026-03-01T09:00:00Z", false),
        // A value that cannot be compared meets no condition.
        ("status.phase > 5", false),
        ("status.phase < 5", false),
        ("metadata.creationTimestamp > 3Gi", false),
        ("spec.replicas > 2h", false),
        ("spec.nodeName exists", false),
        ("status.phase exists", true),
        ("metadata.labels['a=b'] exists", true),
        ("metadata.labels['a=b']='x,y', status.phase=Running", true),
        ("metadata.labels['app.kubernetes.io/name']=web, status.phase=Pending", false),
        // As kubectl's selectors have it.
        ("status.phase==Running", true),
        ("status.phase == 'Running'", true),
        ("status.phase==Pending", false),
        // A quote within a word opens nothing, and a bracket of an expression neither: the second condition filters.
        ("status.phase != can't, status.phase=Pending", false),
        ("status.phase ~ ^Run\\[?, status.phase=Pending", false),
        ("spec.containers[].image ~ [a-z]exists", false),
        ("spec.containers[].image ~ '[a-z]:[0-9]'", true),
        // Beyond what a float holds exactly, texts are compared.
        ("metadata.serial=9007199254740993", true),
        ("metadata.serial=9007199254740992", false),
    ] {
        let parsed: Filter = filter.parse().unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(parsed.matches(&pod(), now()), expected, "{filter}");
    }
}

#[test]
fn a_filter_that_cannot_be_decided_is_refused() {
    let long = format!("a ~ {}", "x".repeat(MAX_PATTERN + 1));
    let many = vec!["a=1"; MAX_CONDITIONS + 1].join(",");
    for (filter, message) in [
        ("status.phase", "is malformed"),
        ("status.phase=", "is malformed"),
        ("status.phase!Running", "is malformed"),
        ("=Running", "field path"),
        ("a..b=1", "field path"),
        (" exists", "is malformed"),
        ("a > soon", "has no order"),
        ("status.phase=~^Run", "is malformed"),
        ("status.phase=Running exists", "is malformed"),
        ("status.phase='Running", "is malformed"),
        ("status.phase='Run'ning", "is malformed"),
        ("metadata.labels['a=b", "is malformed"),
        ("a ~ (", "regular expression"),
        ("a ~ (a|b|ab|ba|aa|bb){400}c", "regular expression"),
        ("a ~ ((a{99}){99}){99}", "regular expression"),
        (&long, "it has 257 bytes"),
        (&many, "17 conditions"),
    ] {
        let error = filter.parse::<Filter>().expect_err(filter);
        assert!(error.to_string().contains(message), "{filter}: {error}");
    }
}

#[test]
fn an_error_repeats_little_and_a_vast_filter_is_no_work() {
    for filter in [
        "x".repeat(MAX_FILTER),
        format!("a>{}", "\u{1}".repeat(MAX_FILTER / 2)),
        format!("a ~ ({}", "(".repeat(MAX_PATTERN - 2)),
        format!("{}=1", "[".repeat(MAX_FILTER / 2)),
        "a=1,".repeat(1_000_000),
    ] {
        let error = filter.parse::<Filter>().unwrap_err().to_string();
        assert!(error.len() < 2048, "{} bytes: {error:.200}", error.len());
    }
}

#[test]
fn an_expression_is_matched_with_the_first_16_kib_of_a_value() {
    let filter: Filter = "a ~ b".parse().unwrap();
    let object = |at: usize| json!({"a": format!("{}b", "a".repeat(at))});
    assert!(filter.matches(&object(MAX_MATCHED - 1), now()));
    assert!(!filter.matches(&object(MAX_MATCHED), now()));
}

#[test]
fn an_expression_that_backtracks_elsewhere_is_linear_here() {
    let object = json!({"a": "a".repeat(50_000)});
    let filter: Filter = "a ~ ^(a+)+$, a ~ (a|a)*b".parse().unwrap();
    assert!(!filter.matches(&object, now()));
}

proptest! {
    #[test]
    fn any_filter_is_answered(filter in r#"[a-c.\[\]'"=!><~ ,0-9exists]{0,40}"#) {
        if let Ok(filter) = filter.parse::<Filter>() {
            filter.matches(&pod(), now());
        }
    }

    /// `=` and `!=` are opposites, and of `<`, `=` and `>` exactly one holds for two numbers.
    #[test]
    fn numbers_have_one_order(value in -1000_i32..1000, operand in -1000_i32..1000) {
        let object = json!({"a": value});
        let holds = |operator: &str| {
            format!("a{operator}{operand}").parse::<Filter>().unwrap().matches(&object, now())
        };
        prop_assert_eq!([holds("<"), holds("="), holds(">")].iter().filter(|holds| **holds).count(), 1);
        prop_assert_ne!(holds("="), holds("!="));
        prop_assert_eq!(holds(">"), value > operand);
    }

    /// An age of more and of less than a duration exclude each other, also for times in the future.
    #[test]
    fn ages_have_one_order(seconds in -10_000_i64..100_000, age in 0_u64..100_000) {
        let then = if seconds < 0 {
            now() + Duration::from_secs(seconds.unsigned_abs())
        } else {
            now() - Duration::from_secs(seconds.unsigned_abs())
        };
        let object = json!({"t": humantime::format_rfc3339_seconds(then).to_string()});
        let holds = |operator: &str| format!("t{operator}{age}s").parse::<Filter>().unwrap().matches(&object, now());
        prop_assert_eq!(holds(">"), seconds > i64::try_from(age).unwrap());
        prop_assert_eq!(holds("<"), seconds.max(0) < i64::try_from(age).unwrap());
    }
}
