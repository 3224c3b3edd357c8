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

#[test]
fn bytes_of_resources_are_in_the_units_of_people_and_data_of_users_is_as_written() {
    let object = serde_json::json!({
        "data": {"max_memory": "268435456", "storage": "1048576"},
        "status": {"capacity": {"memory": "24632456Ki", "cpu": "8"}},
    });
    for (path, expected) in [
        ("data", "max_memory=268435456,storage=1048576"),
        ("data.storage", "1048576"),
        ("status.capacity.memory", "23.5Gi"),
        ("status.capacity", "cpu=8,memory=23.5Gi"),
    ] {
        assert_eq!(path.parse::<Path>().unwrap().cell(&object), expected, "{path}");
    }
}
