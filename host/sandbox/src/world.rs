//! The world of a component: bindings made from `wit/porthole.wit`, and the linker that holds all there is to import.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    clocks::{WasiClocks, WasiClocksView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, clocks, filesystem, random},
    random::WasiRandom,
};
use wasmtime_wasi_io::bindings::wasi::io;

use super::{engine::Engine, state::State};

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "made by bindgen from wit/porthole.wit"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "tool",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "porthole:tool/kube-read.log-reader": porthole_guard::OpenLog },
    });
}

pub(super) use bindings::porthole::tool::types::{Content, Description, Outcome};
use bindings::porthole::tool::types::{Embedded, Media};
pub(super) use bindings::{
    ToolPre,
    porthole::tool::{
        call, kube_read,
        types::{ReadRule, Verb},
    },
};

/// Streams and pollables live in the call's resource table.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Our own interfaces work on the whole state of a call.
struct Contract;

impl HasData for Contract {
    type Data<'a> = &'a mut State;
}

/// Everything that a component can import, each interface by name. `wasi:sockets` and `wasi:http` are not here, so
/// there is no code of theirs to reach.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine.wasmtime());
    let l = &mut linker;
    io::error::add_to_linker::<State, Io>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, Io>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Io>(l, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    random::random::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    kube_read::add_to_linker::<State, Contract>(l, |state| state)?;
    call::add_to_linker::<State, Contract>(l, |state| state)?;
    Ok(linker)
}

impl From<Outcome> for porthole_contract::Outcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { content, structured } = outcome;
        Self { content: content.into_iter().map(Into::into).collect(), structured }
    }
}

impl From<Content> for porthole_contract::Content {
    fn from(content: Content) -> Self {
        let media = |Media { data, mime_type }| porthole_contract::Media { data, mime_type };
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Image(image) => Self::Image(media(image)),
            Content::Audio(audio) => Self::Audio(media(audio)),
            Content::Embedded(Embedded { uri, mime_type, text }) => {
                Self::Embedded(porthole_contract::Embedded { uri, mime_type, text })
            }
        }
    }
}
