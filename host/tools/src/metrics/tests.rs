use super::*;

#[test]
fn quantiles_are_of_the_last_calls() {
    let mut metrics = ToolMetrics::default();
    assert_eq!(metrics.quantile(0.5), None);
    metrics.durations = (1..=100).map(Duration::from_millis).collect();
    assert_eq!(metrics.quantile(0.5), Some(Duration::from_millis(50)));
    assert_eq!(metrics.quantile(0.99), Some(Duration::from_millis(99)));
}

#[test]
fn a_label_that_is_cut_off_says_so() {
    assert_eq!(asked("get secrets"), "get secrets");
    let many: Vec<String> = (0..20).map(|n| format!("get decoys{n}")).collect();
    let label = asked(&format!("{} and more", many.join("; ")));
    assert!(label.len() <= MAX_ASKED && label.ends_with("; get decoys8 and more"), "{label}");
    let label = asked(&format!("get {}", "é".repeat(200)));
    assert!(label.len() <= MAX_ASKED && label.ends_with("é and more"), "{label}");
}

#[test]
fn names_that_clients_invent_are_counted_together() {
    let metrics = Metrics::default();
    for n in 0..100 {
        let call = RecentCall {
            at: SystemTime::now(),
            caller: "somebody".into(),
            client: String::new(),
            tool: format!("invented_{n}"),
            arguments: String::new(),
            verdict: Verdict::Unknown,
            took: Duration::ZERO,
            bytes: 1,
        };
        metrics.record_call(false, call, &[], &Usage::default());
    }
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("porthole_calls_total{tool=\"_other\",verdict=\"unknown\"} 100"), "{text}");
    assert!(!text.contains("invented"), "{text}");
    assert_eq!(metrics.recent().len(), MAX_RECENT);
}
