//! The objects that a pod or another object refers to, and whether it can do without them.

use serde_json::Value;

use crate::{
    Kind, Object, Reference,
    object::{list, text},
};

/// A reference in an object's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The object that is needed.
    pub object: Reference,
    /// A key of it that is needed, of a ConfigMap or Secret.
    pub key: Option<String>,
    /// The field that names it: `env DB_HOST of container app`.
    pub field: String,
    /// True if the referring object works without it.
    pub is_optional: bool,
}

/// The pod spec of a pod, or in a workload's template.
pub fn pod_spec(object: &Object) -> Option<&Value> {
    object.at(match object.kind() {
        Kind::Pod => "/spec",
        Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
        kind if kind.is_workload() => "/spec/template/spec",
        _ => return None,
    })
}

/// All containers of a pod spec, those that initialize it first.
pub fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["/initContainers", "/containers", "/ephemeralContainers"].into_iter().flat_map(|field| list(spec, field))
}

/// The objects that `object` needs.
pub fn needs(object: &Object) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(spec) = pod_spec(object) {
        of_pod_spec(object.namespace(), spec, &mut needs);
    }
    let mut add = |kind: Kind, name: &str, field: &str| {
        if !name.is_empty() {
            needs.push(Need::plain(kind, object.namespace(), name, field));
        }
    };
    match object.kind() {
        Kind::Pod => add(Kind::Node, object.text("/spec/nodeName"), "spec.nodeName"),
        Kind::PersistentVolumeClaim => {
            add(Kind::StorageClass, object.text("/spec/storageClassName"), "spec.storageClassName");
            add(Kind::PersistentVolume, object.text("/spec/volumeName"), "spec.volumeName");
        }
        Kind::Ingress => {
            add(Kind::IngressClass, object.text("/spec/ingressClassName"), "spec.ingressClassName");
            add(Kind::Service, object.text("/spec/defaultBackend/service/name"), "spec.defaultBackend");
            for rule in object.list("/spec/rules") {
                let host = text(rule, "/host");
                for path in list(rule, "/http/paths") {
                    let field = format!("path {} of host {host}", text(path, "/path"));
                    add(Kind::Service, text(path, "/backend/service/name"), &field);
                }
            }
        }
        Kind::HorizontalPodAutoscaler => {
            let kind = Kind::parse(object.text("/spec/scaleTargetRef/kind"));
            // Other API groups have kinds of the same names.
            let group = object.text("/spec/scaleTargetRef/apiVersion").split_once('/').map(|part| part.0);
            let is_ours =
                |kind: &Kind| group.is_none_or(|group| kind.resource().ends_with(&format!(".{group}")));
            if let Some(kind) = kind.filter(is_ours) {
                add(kind, object.text("/spec/scaleTargetRef/name"), "spec.scaleTargetRef");
            }
        }
        Kind::StatefulSet => add(Kind::Service, object.text("/spec/serviceName"), "spec.serviceName"),
        _ => {}
    }
    needs
}

impl Need {
    fn plain(kind: Kind, namespace: &str, name: &str, field: &str) -> Self {
        Self {
            object: Reference::new(kind, namespace, name),
            key: None,
            field: field.to_owned(),
            is_optional: false,
        }
    }

    /// A ConfigMap or Secret named by a source such as `configMapRef`.
    fn source(kind: Kind, namespace: &str, source: &Value, field: String) -> Option<Self> {
        let name =
            [text(source, "/name"), text(source, "/secretName")].into_iter().find(|name| !name.is_empty())?;
        Some(Self {
            object: Reference::new(kind, namespace, name),
            key: Some(text(source, "/key")).filter(|key| !key.is_empty()).map(str::to_owned),
            field,
            is_optional: source.pointer("/optional").and_then(Value::as_bool).unwrap_or_default(),
        })
    }
}

fn of_pod_spec(namespace: &str, spec: &Value, needs: &mut Vec<Need>) {
    let account = text(spec, "/serviceAccountName");
    if !account.is_empty() {
        needs.push(Need::plain(Kind::ServiceAccount, namespace, account, "spec.serviceAccountName"));
    }
    let class = text(spec, "/priorityClassName");
    if !class.is_empty() {
        needs.push(Need::plain(Kind::PriorityClass, "", class, "spec.priorityClassName"));
    }
    for secret in list(spec, "/imagePullSecrets") {
        // A pod starts without one if the image can be pulled all the same.
        let need = Need::source(Kind::Secret, namespace, secret, "imagePullSecrets".to_owned());
        needs.extend(need.map(|need| Need { is_optional: true, ..need }));
    }
    for volume in list(spec, "/volumes") {
        let field = format!("volume {}", text(volume, "/name"));
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() {
            needs.push(Need::plain(Kind::PersistentVolumeClaim, namespace, claim, &field));
        }
        let mut add = |kind: Kind, source: Option<&Value>| {
            let Some(source) = source else { return };
            let Some(need) = Need::source(kind, namespace, source, field.clone()) else { return };
            for item in list(source, "/items") {
                let key = Some(text(item, "/key").to_owned());
                needs.push(Need { key, ..need.clone() });
            }
            needs.push(need);
        };
        add(Kind::ConfigMap, volume.pointer("/configMap"));
        add(Kind::Secret, volume.pointer("/secret"));
        for source in list(volume, "/projected/sources") {
            add(Kind::ConfigMap, source.pointer("/configMap"));
            add(Kind::Secret, source.pointer("/secret"));
        }
    }
    for container in containers(spec) {
        let name = text(container, "/name");
        let sources = [(Kind::ConfigMap, "configMap"), (Kind::Secret, "secret")];
        for (kind, source) in sources {
            for from in list(container, "/envFrom") {
                let reference = from.pointer(&format!("/{source}Ref"));
                let field = format!("envFrom of container {name}");
                needs.extend(reference.and_then(|source| Need::source(kind, namespace, source, field)));
            }
            for env in list(container, "/env") {
                let reference = env.pointer(&format!("/valueFrom/{source}KeyRef"));
                let field = format!("env {} of container {name}", text(env, "/name"));
                needs.extend(reference.and_then(|source| Need::source(kind, namespace, source, field)));
            }
        }
    }
}

/// Values of the environment, commands and arguments of a pod spec.
fn texts(spec: &Value) -> impl Iterator<Item = &str> {
    containers(spec).flat_map(|container| {
        let env = list(container, "/env").iter().map(|env| text(env, "/value"));
        let arguments = ["/command", "/args"].into_iter().flat_map(|field| list(container, field));
        env.chain(arguments.filter_map(Value::as_str))
    })
}

/// The addresses of the form `host:port` in a pod spec.
pub fn addresses(spec: &Value) -> Vec<(&str, i64)> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':');
    let words = texts(spec).flat_map(|text| text.split(move |letter| !is_part(letter)));
    let is_port = |port: &i64| (1..=65_535).contains(port);
    words
        .filter_map(|word| {
            let (host, port) = word.rsplit_once(':')?;
            Some((host, port.trim_end_matches('.').parse().ok().filter(is_port)?))
        })
        .collect()
}

/// The words of a pod spec that may be hosts: values of its environment, commands and arguments.
pub fn words(spec: &Value) -> Vec<&str> {
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    texts(spec)
        .flat_map(|text| text.split(move |letter| !is_host(letter)))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{addresses, needs, pod_spec, words};
    use crate::{Kind, Object, recorded::with};

    fn of(kind: Kind, spec: Value) -> Object {
        Object::new(kind, with(kind.name(), "web", spec, json!({})))
    }

    #[test]
    fn the_pod_spec_of_a_workload_is_in_its_template() {
        let template = json!({"spec": {"containers": []}});
        let plain = json!({"template": template});
        for (kind, spec, expected) in [
            (Kind::Pod, json!({"containers": []}), true),
            (Kind::CronJob, json!({"jobTemplate": {"spec": {"template": template}}}), true),
            (Kind::CronJob, plain.clone(), false),
            (Kind::Deployment, plain.clone(), true),
            (Kind::Job, plain.clone(), true),
            (Kind::ConfigMap, plain, false),
        ] {
            assert_eq!(pod_spec(&of(kind, spec.clone())).is_some(), expected, "{kind} {spec}");
        }
    }

    #[test]
    fn an_object_needs_those_that_its_spec_names() {
        let named = |class: &str| json!({"containers": [], "priorityClassName": class});
        for (kind, spec, expected) in [
            (
                Kind::PersistentVolumeClaim,
                json!({"storageClassName": "fast", "volumeName": "pv-1"}),
                vec!["StorageClass fast", "PersistentVolume pv-1"],
            ),
            (Kind::StatefulSet, json!({"serviceName": "db"}), vec!["Service shop/db"]),
            (Kind::Deployment, json!({"serviceName": "db"}), vec![]),
            (Kind::Pod, named("high"), vec!["PriorityClass high"]),
            (Kind::Pod, named(""), vec![]),
        ] {
            let needs = needs(&of(kind, spec));
            let needs: Vec<String> = needs.iter().map(|need| need.object.to_string()).collect();
            assert_eq!(needs, expected, "{kind}");
        }
    }

    #[test]
    fn hosts_have_dashes_and_dots() {
        let spec = json!({"containers": [{"env": [{"name": "A", "value": "tcp://my-db.shop:5432/x"}]}]});
        assert_eq!(addresses(&spec), [("my-db.shop", 5432)]);
        assert_eq!(words(&spec), ["tcp", "my-db.shop", "5432", "x"]);
    }
}
