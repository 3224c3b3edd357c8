use proptest::prelude::*;

use super::*;

fn names(path: &str) -> Option<Vec<String>> {
    path.parse().ok().map(|path: Path| path.names)
}

#[test]
fn paths_are_split_at_dots_and_brackets() {
    for (path, expected) in [
        ("metadata.name", vec!["metadata", "name"]),
        (".metadata.name", vec!["metadata", "name"]),
        ("spec.containers[].image", vec!["spec", "containers", "image"]),
        ("spec.containers[*].image", vec!["spec", "containers", "image"]),
        ("metadata.labels['app.kubernetes.io/name']", vec!["metadata", "labels", "app.kubernetes.io/name"]),
        ("data[\"a.b\"].c", vec!["data", "a.b", "c"]),
        ("['a.b'].c", vec!["a.b", "c"]),
        ("data['*']", vec!["data", "*"]),
    ] {
        assert_eq!(names(path), Some(expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()), "{path}");
    }
}

#[test]
fn malformed_paths_are_refused() {
    let deep = vec!["a"; MAX_DEPTH + 1].join(".");
    for path in [
        "", ".", "a..b", "a.", "[]", "a[0]", "a['b'", "a['']", "a[]b", "a b", "a.*", "a['b'].", "a]", "[*]",
        &deep,
    ] {
        let error = path.parse::<Path>().expect_err(path);
        assert!(error.to_string().contains("malformed"), "{error}");
    }
}

/// A host call brings up to 4 MiB: two million names, or a message of 20 MB (the attack).
#[test]
fn a_vast_path_is_refused_in_a_line_before_it_is_taken_apart() {
    for path in ["a.".repeat(2_000_000), "\u{1}".repeat(4_000_000), "x".repeat(MAX_BYTES + 1)] {
        let error = path.parse::<Path>().unwrap_err().to_string();
        assert!(error.len() < 2048 && error.contains(&format!("… ({} bytes)", path.len())), "{error:.200}");
    }
    assert!("x".repeat(MAX_BYTES).parse::<Path>().is_ok());
}

#[test]
fn a_printed_path_is_one_entry_of_a_list() {
    for name in ["a,b", "a\nb", "a\u{2028}b", "a\tb"] {
        let path: Path = format!("metadata.labels['{name}']").parse().unwrap();
        assert_eq!(crate::split(&format!("{path},b")), [path.to_string().as_str(), "b"]);
        assert!(path.to_string().ends_with("']"), "{path}");
    }
}

proptest! {
    /// Any text that parses prints to a path of the same names.
    #[test]
    fn a_printed_path_is_the_same_path(text in r#"[a-c.\[\]'"* ]{0,16}"#) {
        if let Ok(path) = text.parse::<Path>() {
            prop_assert_eq!(path.to_string().parse::<Path>(), Ok(path));
        }
    }

    /// Any names that a bracket can hold are found again.
    #[test]
    fn any_name_can_be_written(names in prop::collection::vec(r#"[^\]]{1,12}"#, 1..MAX_DEPTH)) {
        let path = Path { names };
        prop_assert_eq!(path.to_string().parse::<Path>(), Ok(path));
    }

    #[test]
    fn any_text_is_answered(text in r"\PC*") {
        let _ = text.parse::<Path>();
    }
}
