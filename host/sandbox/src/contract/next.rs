//! The next version of the contract, as far as tests need one: it shows what a second version costs.

use porthole_contract::{Content, Outcome};
use wasmtime::{
    Store,
    component::{HasData, Linker},
};

use super::{Description, State};

#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "made by bindgen from next.wit")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "src/contract/next.wit",
        world: "tool",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(super) use bindings::ToolPre;
use bindings::porthole::tool::call;

struct Contract;

impl HasData for Contract {
    type Data<'a> = &'a mut State;
}

impl call::Host for State {
    async fn home(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reader.default_namespace().to_owned())
    }
}

pub(super) fn with_imports(mut linker: Linker<State>) -> wasmtime::Result<Linker<State>> {
    call::add_to_linker::<State, Contract>(&mut linker, |state| state)?;
    Ok(linker)
}

pub(super) async fn describe(
    tool: &ToolPre<State>,
    store: &mut Store<State>,
) -> wasmtime::Result<Description> {
    let described = tool.instantiate_async(&mut *store).await?.call_describe(store).await?;
    Ok(Description {
        name: described.name,
        version: described.version,
        title: String::new(),
        summary: described.summary,
        input_schema: r#"{"type": "object"}"#.to_owned(),
        output_schema: None,
        reads: Vec::new(),
    })
}

pub(super) async fn run(
    tool: &ToolPre<State>,
    store: &mut Store<State>,
    arguments: &str,
) -> wasmtime::Result<Result<Outcome, String>> {
    let text = tool.instantiate_async(&mut *store).await?.call_run(store, arguments).await?;
    Ok(Ok(Outcome { content: vec![Content::Text(text)], structured: None }))
}
