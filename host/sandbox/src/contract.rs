//! The versions of the contract that this host serves, side by side.
//!
//! Each has its own bindings, its own imports in the linker, and a way into the host's words, which are those of the
//! newest released version. A component says in its imports which version it was built for. To add one: its WIT beside
//! the others, a module like `world` for it, its imports in [`linker`], and a variant here.

#[cfg(test)]
mod next;
#[cfg(test)]
mod tests;

use porthole_contract::Outcome;
use wasmtime::{
    Store,
    component::{Component, Linker},
};

use super::{
    engine::Engine,
    state::State,
    world::{self, Description},
};

/// The package, up to its version, in the names of its interfaces.
const PACKAGE: &str = "porthole:tool/";

/// Reason that a component cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was built for a version that this host does not know.
    #[error("it was built for porthole:tool@{0}, and this host serves {served}", served = served_versions())]
    Version(String),
    /// It does not export what a tool of its version exports, or imports our interfaces in another form.
    #[error("{0:#}")]
    Form(wasmtime::Error),
}

/// A component, ready to be instantiated, as the version that it was built for.
pub(super) enum Tool {
    V0_1(world::ToolPre<State>),
    #[cfg(test)]
    Next(next::ToolPre<State>),
}

/// A version: its numbers up to the part that may change without breaking anything, and how a component is bound to it.
struct Version {
    /// `0.1`: patch releases only add functions.
    number: &'static str,
    bind: fn(wasmtime::component::InstancePre<State>) -> wasmtime::Result<Tool>,
}

const VERSIONS: &[Version] = &[
    Version { number: "0.1", bind: |pre| world::ToolPre::new(pre).map(Tool::V0_1) },
    #[cfg(test)]
    Version { number: "0.2", bind: |pre| next::ToolPre::new(pre).map(Tool::Next) },
];

fn served_versions() -> String {
    VERSIONS.iter().map(|version| version.number).collect::<Vec<_>>().join(" and ")
}

/// Everything that a component of any served version can import.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let linker = world::linker(engine)?;
    #[cfg(test)]
    let linker = next::with_imports(linker)?;
    Ok(linker)
}

impl Tool {
    /// Links a component as the version that its imports name. One that imports nothing of the contract is taken for
    /// the first: its exports then fit or do not.
    pub(super) fn link(engine: &Engine, component: &Component) -> Result<Self, LinkError> {
        let ty = component.component_type();
        let versions: Vec<String> = ty
            .imports(engine.wasmtime())
            .filter_map(|(name, _)| Some(name.strip_prefix(PACKAGE)?.split_once('@')?.1.to_owned()))
            .collect();
        let fits = |version: &Version, number: &str| {
            number.strip_prefix(version.number).is_some_and(|patch| patch.starts_with('.'))
        };
        let found = match versions.first() {
            None => VERSIONS.first(),
            Some(number) => VERSIONS.iter().find(|version| fits(version, number)),
        };
        let Some(version) = found else {
            return Err(LinkError::Version(versions.join(", ")));
        };
        // One component, one version: pieces of two would each see half of a call.
        if let Some(other) = versions.iter().find(|number| !fits(version, number)) {
            return Err(LinkError::Version(format!("{other} and {}", version.number)));
        }
        let linker = linker(engine).map_err(LinkError::Form)?;
        linker.instantiate_pre(component).and_then(version.bind).map_err(LinkError::Form)
    }

    /// Asks the component what it is, in an instance of its own.
    pub(super) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
        match self {
            Self::V0_1(tool) => tool.instantiate_async(&mut *store).await?.call_describe(store).await,
            #[cfg(test)]
            Self::Next(tool) => next::describe(tool, store).await,
        }
    }

    /// Serves one call in an instance of its own. The inner error is the tool's, for the model.
    pub(super) async fn run(
        &self,
        store: &mut Store<State>,
        arguments: &str,
    ) -> wasmtime::Result<Result<Outcome, String>> {
        match self {
            Self::V0_1(tool) => {
                let result = tool.instantiate_async(&mut *store).await?.call_run(store, arguments).await?;
                Ok(result.map(Outcome::from))
            }
            #[cfg(test)]
            Self::Next(tool) => next::run(tool, store, arguments).await,
        }
    }
}
