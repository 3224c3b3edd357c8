//! Hostile declarations of components.

use porthole_testbed::{
    component::{Component, Rule, Verb},
    porthole::binary,
};
use serde_json::json;

use crate::{
    Case,
    stage::{PATIENCE, Setting, Stage},
};

/// A tool with this declaration and an empty answer.
fn declaring(name: &str, reads: &[Rule<'_>]) -> Vec<u8> {
    Component { name, reads, ..Component::default() }.build()
}

async fn staged(case: &'static Case, components: Vec<(&str, Vec<u8>)>) -> Stage {
    let stage = Stage::set(case, Setting { files: components, ..Setting::default() }).await;
    stage.assert_serves().await;
    stage
}

pub(crate) async fn injected(case: &'static Case) {
    let get: &[Verb] = &[Verb::Get, Verb::List];
    let core: &[&str] = &[""];
    let files = vec![
        ("quoted.wasm", declaring("quoted", &[(core, &[r#""secrets" "#], get)])),
        (
            "lines.wasm",
            declaring(
                "lines",
                &[(
                    core,
                    &["pods\"]\n  - apiGroups: [\"*\"]\n    resources: [\"*\"]\n    verbs: [\"*\"]\n#"],
                    get,
                )],
            ),
        ),
        ("group.wasm", declaring("group", &[(&["apps\", \"*"], &["deployments"], get)])),
        ("bidi.wasm", declaring("bidi", &[(core, &["pods\u{202e}"], get)])),
        ("long.wasm", declaring("long", &[(core, &["p".repeat(100_000).as_str()], get)])),
        (
            "escape.wasm",
            Component {
                name: "escape",
                title: "\u{1b}[2Jx",
                summary: "a\r\u{1b}]0;x\u{7}",
                version: "1.0.0\n",
                ..Component::default()
            }
            .build(),
        ),
        ("named.wasm", Component { name: "pods\nlist", ..Component::default() }.build()),
        ("shout.wasm", Component { name: "Shout It", ..Component::default() }.build()),
    ];
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let stage = staged(case, files).await;
    stage
        .attack(async {
            for name in &names {
                let reason = stage.reason(name).await.unwrap_or_else(|| panic!("{name} is served"));
                assert!(
                    reason.len() < 1000 && !reason.contains(['\n', '\r', '\u{1b}', '\u{202e}']),
                    "{name}: {reason:?}"
                );
            }
        })
        .await;
    let rbac =
        std::process::Command::new(binary()).args(["rbac", "--plugins"]).arg(stage.tools()).output().unwrap();
    let roles = String::from_utf8_lossy(&rbac.stdout).into_owned();
    assert!(
        !roles.contains("secrets") && !roles.contains("verbs: [\"*\"]") && !roles.contains("100000"),
        "{roles}"
    );
    for name in names {
        let inspected = std::process::Command::new(binary())
            .args(["plugin", "inspect"])
            .arg(stage.tools().join(name))
            .output()
            .unwrap();
        for text in [inspected.stdout, inspected.stderr] {
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains(['\r', '\u{1b}', '\u{7}', '\u{202e}']), "{name}: {text:?}");
        }
    }
}

pub(crate) async fn vast(case: &'static Case) {
    let properties: serde_json::Map<String, serde_json::Value> =
        (0..60_000).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
    let schema = json!({"type": "object", "properties": properties}).to_string();
    let summary = "s".repeat(3_500_000);
    let files = vec![
        (
            "properties.wasm",
            Component { name: "properties", schema: &schema, ..Component::default() }.build(),
        ),
        ("summary.wasm", Component { name: "summary", summary: &summary, ..Component::default() }.build()),
        ("title.wasm", Component { name: "title", title: &summary, ..Component::default() }.build()),
    ];
    let stage = staged(case, files).await;
    let client = stage.client(&stage.bystander.token);
    stage
        .attack(async {
            for name in ["properties.wasm", "summary.wasm", "title.wasm"] {
                let reason = stage.reason(name).await.unwrap_or_else(|| panic!("{name} is served"));
                assert!(reason.len() < 1000, "{name}: {} bytes", reason.len());
            }
            let listed = client.request("tools/list", json!({})).await.unwrap().to_string();
            assert!(listed.len() < 256 << 10, "tools/list has {} bytes", listed.len());
        })
        .await;
}

pub(crate) async fn schemas(case: &'static Case) {
    let with = |name: &'static str, property: &str| {
        let schema = format!(r#"{{"type":"object","properties":{{"x":{property}}}}}"#);
        (
            name,
            Component { name: name.trim_end_matches(".wasm"), schema: &schema, ..Component::default() }
                .build(),
        )
    };
    let files = vec![
        with("reference.wasm", r##"{"type":"string","$ref":"#/x"}"##),
        with("pattern.wasm", r#"{"type":"string","pattern":"(a+)+$"}"#),
    ];
    let stage = staged(case, files).await;
    stage
        .attack(async {
            for name in ["reference.wasm", "pattern.wasm"] {
                assert!(stage.reason(name).await.is_some(), "{name} is served");
            }
        })
        .await;
}

pub(crate) async fn requirements(case: &'static Case) {
    let schema = json!({"type": "object", "required": ["\u{e0001}".repeat(16_300)]}).to_string();
    let one = Component { name: "one", schema: &schema, ..Component::default() }.build();
    let stage = staged(case, vec![("aaa.wasm", one.clone())]).await;
    std::fs::write(stage.tools().join(".one"), one).unwrap();
    for n in 0..200 {
        std::fs::hard_link(stage.tools().join(".one"), stage.tools().join(format!("aab-{n:03}.wasm")))
            .unwrap();
    }
    stage
        .attack(async {
            let reason = stage.until_refused("aaa.wasm").await;
            assert!(reason.len() < 1500, "{} bytes", reason.len());
            let begun = std::time::Instant::now();
            loop {
                let readiness = stage.host.readiness().await.unwrap();
                let bytes = readiness.to_string().len();
                assert!(bytes < 128 << 10, "/readyz has {bytes} bytes");
                if readiness["moreFailed"].as_u64().is_some_and(|more| more == 151) {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "{readiness}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        })
        .await;
    stage.assert_serves().await;
    stage.assert_grown_less_than(128);
}
