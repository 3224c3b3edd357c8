//! Provenance: an in-toto statement with a SLSA predicate, version 1.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::materials::Materials;

/// File of the statement in the folder of a release.
pub(crate) const FILE: &str = "porthole.intoto.json";
/// Builder if none is named: a developer's machine, which nobody vouches for.
pub(crate) const LOCAL: &str = "urn:porthole:builder:local";

/// The statement about files with their digests: from what, by whom and how they were built.
pub(crate) fn statement(
    subjects: &BTreeMap<String, String>,
    materials: &Materials,
    profile: &str,
    builder: &str,
) -> Value {
    let subject = |(name, digest): (&String, &String)| json!({"name": name, "digest": {"sha256": digest}});
    let source = json!({
        "uri": format!("git+{}@{}", materials.repository, materials.commit),
        "digest": {"gitCommit": materials.commit},
    });
    let locks = materials.locks.iter().map(|(lock, digest)| {
        json!({"uri": format!("git+{}@{}#{lock}", materials.repository, materials.commit), "name": lock, "digest": {"sha256": digest}})
    });
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects.iter().map(subject).collect::<Vec<_>>(),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{}/xtask-release/v1", materials.repository),
                "externalParameters": {"command": "cargo xtask release", "profile": profile},
                // A tree that differs from its commit is said to, because the commit alone would not make these files.
                "internalParameters": {"compiler": materials.compiler, "modified": materials.is_modified},
                "resolvedDependencies": std::iter::once(source).chain(locks).collect::<Vec<_>>(),
            },
            "runDetails": {"builder": {"id": builder}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::materials::example;

    #[test]
    fn a_statement_names_each_file_and_what_it_was_made_of() {
        let subjects = BTreeMap::from([("porthole-linux-amd64".to_owned(), "ab".repeat(32))]);
        let materials = Materials { is_modified: true, ..example() };
        let statement = statement(&subjects, &materials, "dist", LOCAL);
        assert_eq!(
            statement["subject"],
            json!([{"name": "porthole-linux-amd64", "digest": {"sha256": "ab".repeat(32)}}])
        );
        let build = &statement["predicate"]["buildDefinition"];
        let made_of = build["resolvedDependencies"].as_array().unwrap();
        assert_eq!(made_of.len(), 3);
        assert_eq!(made_of[0]["digest"]["gitCommit"], materials.commit.as_str());
        assert_eq!(made_of[1]["digest"]["sha256"], materials.locks["Cargo.lock"].as_str());
        assert_eq!(
            (&build["internalParameters"]["modified"], &build["externalParameters"]["profile"]),
            (&json!(true), &json!("dist"))
        );
        assert_eq!(statement["predicate"]["runDetails"]["builder"]["id"], LOCAL);
    }
}
