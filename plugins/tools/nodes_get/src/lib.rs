//! nodes_get: one node, whole.

use porthole_sdk::{prelude::*, quantity, tool};

#[derive(Arguments)]
struct Request {
    /// Name of the node
    name: String,
}

/// One node as YAML: labels, taints, conditions, capacity, addresses; without its list of images.
#[tool(title = "Get a node", reads(get_list("nodes")))]
fn nodes_get(request: Request) -> Answer {
    let mut node: Value = get_or_suggest(kind("nodes"), None, &request.name, &[])?;
    // Up to 50 images with all of their names: half of a node's text.
    let images =
        node.get_mut("status").and_then(Value::as_object_mut).and_then(|status| status.remove("images"));
    let images = images.and_then(|images| images.as_array().map(Vec::len)).unwrap_or(0);
    for key in ["capacity", "allocatable"] {
        let amounts = node.pointer_mut(&format!("/status/{key}")).and_then(Value::as_object_mut);
        for (resource, amount) in amounts.into_iter().flatten() {
            let readable = amount.as_str().map(|amount| quantity::of_resource(resource, amount).into_owned());
            *amount = readable.map_or_else(|| amount.take(), Value::String);
        }
    }
    let mut output = yaml(node)?;
    if images > 0 {
        output.push_str(&format!("# {images} images on this node are left out\n"));
    }
    text(output)
}
