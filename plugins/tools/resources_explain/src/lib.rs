//! resources_explain: what the fields of a kind mean.

use porthole_sdk::{field_path::Path, prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Any form: Deployment, deploy, deployments.apps
    kind: String,
    /// Path into it, e.g. spec.template.spec
    field: Option<String>,
    /// Levels of fields
    #[argument(default = 1)]
    depth: u32,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
}

/// Room for the notice of a cut, in bytes.
const NOTICE: usize = 200;

/// The documentation of a kind's fields, custom kinds too: types, required ones, meaning.
#[tool(title = "Explain fields")]
fn resources_explain(request: Request) -> Answer {
    let Request { kind, field, depth, api_version } = request;
    let path = match field.as_deref().unwrap_or_default() {
        "" => Vec::new(),
        field => field.parse::<Path>().map_err(|error| error.to_string())?.names().to_vec(),
    };
    let explained = kube_read::explain(&KindRef { kind, api_version }, &path, depth)?;
    let room = (call::output_budget() as usize).saturating_sub(NOTICE);
    if explained.len() <= room {
        return text(explained);
    }
    let kept = explained.get(..explained.floor_char_boundary(room)).unwrap_or_default();
    let kept = kept.rsplit_once('\n').map_or(kept, |(kept, _)| kept);
    text(format!("{kept}\n[cut here: ask for one field, or a smaller depth]\n"))
}
