//! Changes of a cluster within some time, newest first, from the state of its objects and without I/O.
//!
//! A component gives a [`Source`]; `collect` plans its reads, and everything else is a function of what was read, so that
//! it is tested natively, on objects as a real cluster has them.

mod collect;
mod entry;
mod events;
mod fields;
mod helm;
mod nodes;
mod pods;
mod reach;
#[cfg(test)]
mod recorded;
mod render;
mod rollouts;
mod source;
#[cfg(test)]
mod tests;
mod window;
mod writes;

pub use source::{List, PodRow, Read, Release, Source, Unread, Write};

use window::Window;

/// Bytes of a name of Kubernetes.
const MAX_NAME: usize = 253;

/// A question about a cluster. Texts that are empty count as not given.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Age of the oldest change, or its time. None: a day.
    pub since: Option<String>,
    /// None: the whole cluster.
    pub namespace: Option<String>,
    /// A name, or a part of it.
    pub name: Option<String>,
}

/// Answers a question with a line for each change, in at most `max` bytes.
///
/// # Errors
/// A sentence for the model: a time that is none, or a namespace that does not exist.
pub fn changes(request: &Request, source: &mut impl Source, max: usize) -> Result<String, String> {
    let given = |text: &Option<String>| {
        let text = porthole_diagnosis::line(text.as_deref().unwrap_or_default(), MAX_NAME);
        Some(text).filter(|text| !text.is_empty())
    };
    let window = Window::parse(given(&request.since).as_deref(), source.now())?;
    let asked = collect::Asked {
        namespace: given(&request.namespace),
        name: given(&request.name).map(|name| name.to_lowercase()),
    };
    let mut seen = collect::collect(&asked, window, source);
    if let Some(message) = seen.no_namespace.take() {
        return Err(message);
    }
    let mut entries = rollouts::entries(&seen, window);
    let scaled = rollouts::scaled(&seen, window, &entries);
    entries.extend(scaled);
    entries.extend(pods::entries(&seen, window));
    entries.extend(nodes::entries(&seen, window));
    entries.extend(writes::entries(&seen, window));
    entries.extend(helm::entries(&seen, window));
    let warnings = events::warnings(&seen, window, &entries);
    entries.extend(warnings);
    if let Some(name) = &asked.name {
        let places = seen.places_of(name);
        entries.retain(|entry| entry.is_about(name, &places));
    }
    Ok(render::text(&asked, &seen, window, entries, max))
}
