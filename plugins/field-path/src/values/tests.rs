use super::*;

#[test]
fn a_path_is_followed_through_arrays_and_quotes() {
    let pod = serde_json::json!({"spec": {"containers": [{"image": "a"}, {"image": "b", "ports": [{"p": 1}]}]},
        "metadata": {"labels": {"app.kubernetes.io/name": "web", "x": "y"}, "deletionTimestamp": null}});
    for (path, expected) in [
        ("spec.containers[].image", "a,b"),
        ("spec.containers[*].image", "a,b"),
        ("spec.containers.image", "a,b"),
        ("metadata.labels['app.kubernetes.io/name']", "web"),
        ("metadata.labels", "app.kubernetes.io/name=web,x=y"),
        ("metadata.deletionTimestamp", ""),
        ("spec.containers[].ports", "p=1"),
        ("spec.nothing.there", ""),
        ("spec.containers[].ports[].p", "1"),
    ] {
        let path: Path = path.parse().unwrap();
        assert_eq!(path.cell(&pod), expected, "{path}");
    }
}
