//! resources_describe: what matters of one object: essentials, conditions, where it comes from, what hangs on it, its
//! events.

mod around;
mod essentials;
mod state;
mod totals;

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Any form: Pod, deploy, deployments.apps
    kind: String,
    /// Name of the object
    name: String,
    /// Default: wherever the name is
    namespace: Option<String>,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
}

/// Kept of the answer for the line on what was left out.
const NOTICE: usize = 200;

#[tool(
    title = "Describe an object",
    summary = "What matters of one object of any kind: settings, conditions, container states with exit codes, \
               owners, endpoints or pods, and its events. Shorter than its YAML: the first look at why \
               something is not well.",
    reads(get_list("*": "*")),
)]
fn resources_describe(request: Request) -> Answer {
    let Request { kind, name, namespace, api_version } = request;
    let kind = KindRef { kind, api_version };
    let mut object: Value = get_by_name(kind, namespace, &name, &[])?;
    let identity = around::Identity::of(&object);
    let mut output = identity.title();
    output.push_str(&state::take(&mut object));
    let around = around::render(&identity, &object);
    let rest = essentials::reduce(object);
    if rest.as_object().is_some_and(|fields| !fields.is_empty()) {
        output.push_str(&porthole_sdk::to_yaml(&rest)?);
    }
    // The middle gives way: what is around an object is short, and often the answer.
    let room = (call::output_budget() as usize).saturating_sub(NOTICE + around.len());
    if output.len() > room {
        output.truncate(output.floor_char_boundary(room));
        output.push_str("\n[cut here: ask resources_get with fields for the rest]\n");
    }
    text(output + &around)
}
