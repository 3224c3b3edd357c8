//! Self-subject reviews: identity, access and rules.

use serde_json::{Value, json};

use crate::{
    bodies,
    objects::Object,
    path::Resource,
    rbac::{self, User},
    status::Refusal,
};

/// Answers a review; `None` if the request is none.
pub(crate) fn answer(
    requested: &Resource,
    body: &[u8],
    user: &User,
    objects: &[Object],
) -> Option<Result<Value, Refusal>> {
    let review = match (requested.group.as_str(), requested.plural.as_str()) {
        ("authentication.k8s.io", "selfsubjectreviews") => |_: &Value, user: &User, _: &[Object]| {
            let info = json!({"username": user.name, "uid": user.uid, "groups": user.groups});
            json!({"status": {"userInfo": info}})
        },
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access,
        ("authorization.k8s.io", "selfsubjectrulesreviews") => every_rule,
        _ => return None,
    };
    let Some(mut request) = bodies::read(body) else {
        return Some(Err(Refusal::bad_request("the body is no review, neither in JSON nor in protobuf")));
    };
    request["status"] = review(&request, user, objects)["status"].take();
    Some(Ok(request))
}

fn access(request: &Value, user: &User, objects: &[Object]) -> Value {
    let attributes = &request["spec"]["resourceAttributes"];
    if !attributes.is_object() {
        let path = request["spec"]["nonResourceAttributes"]["path"].as_str().unwrap_or_default();
        let open =
            ["/version", "/healthz", "/api", "/apis", "/openapi"].iter().any(|open| path.starts_with(open));
        return json!({"status": {"allowed": open}});
    }
    let text = |field: &str| attributes[field].as_str().unwrap_or_default().to_owned();
    let some = |field: &str| Some(text(field)).filter(|text| !text.is_empty());
    let requested = Resource {
        group: text("group"),
        version: text("version"),
        plural: text("resource"),
        namespace: some("namespace"),
        name: some("name"),
        subresource: some("subresource"),
        behind: String::new(),
    };
    match rbac::allows(objects, user, &text("verb"), &requested) {
        true => json!({"status": {"allowed": true, "reason": "RBAC: allowed by a binding of this account"}}),
        false => json!({"status": {"allowed": false}}),
    }
}

fn every_rule(request: &Value, user: &User, objects: &[Object]) -> Value {
    let namespace = request["spec"]["namespace"].as_str().unwrap_or_default();
    let there = |within: &Option<&str>| within.is_none_or(|within| within == namespace);
    let rules: Vec<Value> = rbac::rules(objects, user)
        .into_iter()
        .filter(|(within, _)| there(within))
        .map(|(_, rule)| rule.clone())
        .filter(|rule| rule["resources"].is_array())
        .collect();
    json!({"status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": false}})
}
