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
