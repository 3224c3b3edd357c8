//! Layers of a call, and the layer that a stack belongs to: that of the innermost function whose crate has one.

use super::stacks::{Frame, Stack};

/// A part of the work of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    HttpIn,
    Mcp,
    Identity,
    Tools,
    Instantiate,
    Component,
    Sandbox,
    Guard,
    Cluster,
    HttpOut,
    Http,
    Tls,
    Json,
    Logging,
    Runtime,
    Unknown,
}

impl Layer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpIn => "HTTP in (hyper, axum, porthole-http)",
            Self::Mcp => "MCP (rmcp, porthole-mcp)",
            Self::Identity => "identity",
            Self::Tools => "tools: arguments, permits, audit, metrics",
            Self::Instantiate => "instantiate and drop (wasmtime: pool, store, memory)",
            Self::Component => "component (compiled code)",
            Self::Sandbox => "sandbox: calls into and out of the component",
            Self::Guard => "guard",
            Self::Cluster => "cluster: requests, splitting and projecting answers",
            Self::HttpOut => "HTTP out (hyper, kube)",
            Self::Http => "HTTP, in or out",
            Self::Tls => "TLS (rustls, ring)",
            Self::Json => "JSON (serde_json)",
            Self::Logging => "logging and metrics (tracing, prometheus-client)",
            Self::Runtime => "runtime (tokio, threads)",
            Self::Unknown => "unknown",
        }
    }
}

/// Functions by layer: the first line that a function's name contains is its layer.
const LAYERS: [(&str, Layer); 39] = [
    ("porthole_mcp::", Layer::Mcp),
    ("porthole_identity::", Layer::Identity),
    ("porthole_tools::", Layer::Tools),
    ("porthole_quota::", Layer::Tools),
    ("porthole_guard::", Layer::Guard),
    ("porthole_cluster::", Layer::Cluster),
    ("porthole_http::", Layer::HttpIn),
    ("wasmtime::runtime::component::instance", Layer::Instantiate),
    ("wasmtime::runtime::component::store", Layer::Instantiate),
    ("wasmtime::runtime::vm::instance", Layer::Instantiate),
    ("wasmtime::runtime::vm::cow", Layer::Instantiate),
    ("wasmtime::runtime::vm::memory", Layer::Instantiate),
    ("wasmtime::runtime::store", Layer::Instantiate),
    ("wasmtime::runtime::instance", Layer::Instantiate),
    ("wasmtime_internal_fiber::", Layer::Instantiate),
    ("porthole_sandbox::", Layer::Sandbox),
    ("wasmtime_wasi", Layer::Sandbox),
    ("wasmtime", Layer::Sandbox),
    ("serde_json::", Layer::Json),
    ("rmcp::", Layer::Mcp),
    ("rustls::", Layer::Tls),
    ("ring::", Layer::Tls),
    ("ring_core", Layer::Tls),
    ("webpki", Layer::Tls),
    ("moka::", Layer::Identity),
    ("kube_client::", Layer::HttpOut),
    ("kube_core::", Layer::HttpOut),
    ("hyper_rustls::", Layer::HttpOut),
    ("hyper_util::client", Layer::HttpOut),
    ("hyper::client", Layer::HttpOut),
    ("axum_server::", Layer::HttpIn),
    ("axum", Layer::HttpIn),
    ("matchit::", Layer::HttpIn),
    ("hyper_util::server", Layer::HttpIn),
    ("hyper::server", Layer::HttpIn),
    ("tracing", Layer::Logging),
    ("prometheus_client::", Layer::Logging),
    ("hyper", Layer::Http),
    ("httparse::", Layer::Http),
];
/// Ending of the files that wasmtime maps compiled components from.
const COMPILED: &str = ".cwasm";

/// Layer of a stack.
pub(crate) fn layer(stack: &Stack) -> Layer {
    let mut http = false;
    let in_kernel = stack.first().is_some_and(Frame::is_of_the_kernel);
    for frame in stack {
        if frame.file.ends_with(COMPILED) {
            return Layer::Component;
        }
        match of(frame) {
            // Code of hyper is shared by both sides: the frames around it tell which one it is.
            Some(Layer::Http) => http = true,
            // A write to a socket goes through TLS, and is no work of it.
            Some(Layer::Tls) if in_kernel => http = true,
            Some(layer) if !http || matches!(layer, Layer::HttpIn | Layer::HttpOut) => return layer,
            // Requests to the API server are made within the layers that ask.
            Some(Layer::Cluster | Layer::Guard | Layer::Identity) => return Layer::HttpOut,
            Some(_) | None => {}
        }
    }
    if http {
        return Layer::Http;
    }
    let is_runtime = |frame: &Frame| {
        ["tokio::", "std::thread", "std::sys", "futures_", "start_thread", "clone3"]
            .iter()
            .any(|name| frame.function.contains(name))
    };
    if stack.iter().any(is_runtime) { Layer::Runtime } else { Layer::Unknown }
}

fn of(frame: &Frame) -> Option<Layer> {
    if frame.function.contains("_ring_core_") || frame.function.starts_with("ring_core") {
        return Some(Layer::Tls);
    }
    // The crate that a function is of comes first: `<axum::… as tower_service::Service<…>>::call`, `hyper::…<porthole_http::…>`.
    let name = frame.function.trim_start_matches(['<', '&', '*', '_']);
    let name = name.strip_prefix("mut ").unwrap_or(name);
    LAYERS.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, layer)| *layer)
}

/// Work that any layer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Kernel,
    Allocator,
    Copying,
    Own,
}

/// Work of the innermost frame of a stack.
pub(crate) fn work(stack: &Stack) -> Work {
    let Some(frame) = stack.first() else { return Work::Own };
    let function = frame.function.trim_start_matches('_');
    let is = |names: &[&str]| names.iter().any(|name| function.starts_with(name));
    if frame.is_of_the_kernel() {
        Work::Kernel
    } else if is(&[
        "malloc",
        "int_malloc",
        "int_free",
        "free",
        "cfree",
        "calloc",
        "realloc",
        "int_realloc",
        "libc_malloc",
        "libc_calloc",
        "unlink_chunk",
        "mi_",
        "rust_alloc",
    ]) {
        Work::Allocator
    } else if is(&["memmove", "memcpy", "memset", "memcmp"]) {
        Work::Copying
    } else {
        Work::Own
    }
}

/// Part of a layer in all samples, and what of it is work of each kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    pub(crate) layer: Layer,
    pub(crate) samples: usize,
    pub(crate) kernel: usize,
    pub(crate) allocator: usize,
    pub(crate) copying: usize,
}

/// Shares of all layers, the greatest first.
pub(crate) fn shares(stacks: &[Stack]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for stack in stacks {
        let layer = layer(stack);
        let at = shares.iter().position(|share| share.layer == layer).unwrap_or_else(|| {
            shares.push(Share { layer, samples: 0, kernel: 0, allocator: 0, copying: 0 });
            shares.len() - 1
        });
        let share = &mut shares[at];
        share.samples += 1;
        match work(stack) {
            Work::Kernel => share.kernel += 1,
            Work::Allocator => share.allocator += 1,
            Work::Copying => share.copying += 1,
            Work::Own => {}
        }
    }
    shares.sort_by(|one, other| other.samples.cmp(&one.samples).then(one.layer.cmp(&other.layer)));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of functions, from the innermost; a file in parentheses after a name.
    fn stack(frames: &[&str]) -> Stack {
        let frame = |text: &&str| match text.split_once(" @") {
            Some((function, file)) => Frame { function: function.into(), file: file.into() },
            None => Frame { function: (*text).into(), file: "/bin/porthole".into() },
        };
        frames.iter().map(frame).collect()
    }

    const KERNEL: &str = "tcp_ack @[kernel.kallsyms]";

    #[test]
    fn the_innermost_crate_with_a_layer_decides() {
        for (frames, expected) in [
            (vec!["core::fmt::write", "serde_json::ser::to_string", "rmcp::handler"], Layer::Json),
            (
                vec![
                    "malloc @/lib/libc.so.6",
                    "porthole_guard::reader::GuardedReader::deliver",
                    "porthole_sandbox::kube_read",
                ],
                Layer::Guard,
            ),
            (
                vec!["<porthole_sandbox::executor::TurnFuture<F> as core::future::Future>::poll"],
                Layer::Sandbox,
            ),
            (
                vec![
                    "wasmtime::runtime::vm::cow::MemoryImageSlot::instantiate",
                    "porthole_sandbox::component::Component::call",
                ],
                Layer::Instantiate,
            ),
            (
                vec!["memmove @/lib/libc.so.6", "function[12] @/cache/9251.cwasm", "wasmtime::runtime::func"],
                Layer::Component,
            ),
            (
                vec!["do_epoll_wait @[kernel.kallsyms]", "tokio::runtime::io::driver::Driver::turn"],
                Layer::Runtime,
            ),
            (vec!["[unknown] @[unknown]"], Layer::Unknown),
        ] {
            assert_eq!(layer(&stack(&frames)), expected, "{frames:?}");
        }
    }

    #[test]
    fn shared_code_of_hyper_belongs_to_the_side_around_it() {
        let shared = "hyper::proto::h1::dispatch::Dispatcher<D,Bs,I,T>::poll_catch";
        let side = |outer: &str| layer(&stack(&[KERNEL, shared, outer]));
        assert_eq!(side("axum_server::server::Server<A,Acc>::serve::{{closure}}"), Layer::HttpIn);
        assert_eq!(side("hyper_util::client::legacy::connect"), Layer::HttpOut);
        assert_eq!(side("tokio::runtime::task::raw::poll"), Layer::Http);
        assert_eq!(side("porthole_cluster::server::Client::get"), Layer::HttpOut);
    }

    #[test]
    fn a_write_to_a_socket_is_no_work_of_tls() {
        let outer = [
            "rustls::vecbuf::ChunkVecBuffer::write_to",
            "<hyper_rustls::stream::MaybeHttpsStream<T> as hyper::rt::io::Write>::poll_write",
        ];
        assert_eq!(layer(&stack(&[&[KERNEL], &outer[..]].concat())), Layer::HttpOut);
        assert_eq!(layer(&stack(&outer)), Layer::Tls);
    }

    #[test]
    fn shares_count_work_of_each_kind_within_a_layer() {
        let samples = [
            stack(&[KERNEL, "porthole_http::listening::listen"]),
            stack(&["_int_malloc @/lib/libc.so.6", "porthole_http::listening::listen"]),
            stack(&["__memmove_avx512 @/lib/libc.so.6", "porthole_http::listening::listen"]),
            stack(&["serde_json::de::from_trait"]),
        ];
        let shares = shares(&samples);
        assert_eq!(
            shares[0],
            Share { layer: Layer::HttpIn, samples: 3, kernel: 1, allocator: 1, copying: 1 }
        );
        assert_eq!((shares[1].layer, shares[1].samples), (Layer::Json, 1));
    }
}
