use super::*;

#[test]
fn a_project_has_the_contract_the_library_and_its_name() {
    for (language, library) in [
        (Language::Rust, "porthole/sdk/src/lib.rs"),
        (Language::Js, "porthole.js"),
        (Language::Python, "porthole.py"),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("team_keys");
        create(&folder, "team_keys", language).unwrap();
        for file in ["wit/porthole.wit", "cluster/shop.yaml", "README.md", ".gitignore", library] {
            assert!(folder.join(file).exists(), "{language:?}: {file}");
        }
        for RustCrate { name, .. } in RUST_CRATES.iter().filter(|_| matches!(language, Language::Rust)) {
            let own = folder.join("porthole").join(name);
            assert!(own.join("Cargo.toml").exists() && own.join("src/lib.rs").exists(), "{name}");
        }
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.starts_with("# team_keys") && !readme.contains("{{"), "{readme}");
        for command in commands(language) {
            let command = command.replace("{{name}}", "team_keys");
            assert!(readme.contains(&command), "the README of {language:?} lacks: {command}");
        }
        let again = create(&folder, "team_keys", language).unwrap_err().to_string();
        assert!(again.contains("there already"), "{again}");
    }
}

#[test]
fn a_name_that_no_host_would_serve_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["", "Team", "team-keys", "9lives", "a b", "../x"] {
        assert!(create(&parent.path().join("x"), name, Language::Js).is_err(), "{name}");
    }
}

/// The project contains Porthole's library, so it needs the same dependencies.
#[test]
fn a_rust_project_has_the_dependencies_of_our_own_tools() {
    let ours = include_str!("../../../../../../plugins/Cargo.toml");
    let theirs = TEMPLATES.get_file("rust/Cargo.toml.in").unwrap().contents_utf8().unwrap();
    let dependencies = |manifest: &str| -> Vec<String> {
        let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        section
            .lines()
            .filter(|line| line.contains('=') && !line.contains("path"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(dependencies(theirs), dependencies(ours));
    for RustCrate { name, .. } in &RUST_CRATES {
        let dependency = format!("porthole-{name} = {{ path = \"porthole/{name}\" }}");
        assert!(theirs.lines().any(|line| line == dependency), "the template lacks: {dependency}");
    }
}
