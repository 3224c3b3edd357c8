use super::*;

#[test]
fn a_name_that_would_change_the_path_is_refused() {
    for name in ["", ".", "..", "a/b", "../secrets", "a%2fb"] {
        assert!(segment("name", name).is_err(), "{name:?}");
    }
    assert_eq!(segment("name", "system:a b?#").unwrap().to_string(), "system%3Aa%20b%3F%23");
    for node in ["http:node-1:2379", "node-1:10250", "Node", "node_1", "", "a..b", &"n".repeat(300)] {
        let failure = node_segment(node).unwrap_err();
        assert!(failure.message.len() < 250, "{failure}");
    }
    assert_eq!(node_segment("node-1.example.com").unwrap().to_string(), "node-1.example.com");
    for namespace in ["a.b", "kube-system/pods", "-a", "A"] {
        assert!(namespace_segment(namespace).is_err(), "{namespace}");
    }
}

#[test]
fn long_parameters_are_refused_and_not_repeated() {
    let failure = check_length("labelSelector", Some(&"x".repeat(900_000)), MAX_SELECTOR).unwrap_err();
    assert!(failure.reason == Reason::Invalid && failure.message.len() < 250, "{failure}");
    assert!(check_length("labelSelector", Some("app=web"), MAX_SELECTOR).is_ok());
}
