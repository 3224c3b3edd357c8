//! Registries on loopback: go-containerregistry's, as a program, and one that answers what a test chooses.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, Response, StatusCode, header},
};
use bytes::Bytes;
use futures::stream;

use crate::binaries::{Main, build_module, cache};

/// Version of go-containerregistry.
const VERSION: &str = "0.22.1";
/// Its own program listens on every address of the machine.
const MAIN: &str = r#"package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	handler := registry.New(registry.WithReferrersSupport(len(os.Args) < 2), registry.Logger(log.New(io.Discard, "", 0)))
	log.Fatal(http.Serve(listener, handler))
}
"#;

/// A registry, empty at its start; stopped on drop.
pub struct Registry {
    /// Address, as images begin with it.
    pub host: String,
    process: Child,
}

/// Support of the referrers API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    Api,
    /// Left to the tag that clients keep.
    Tag,
}

impl Registry {
    /// Starts a registry. Its program is built once (half a minute).
    pub fn start(referrers: Referrers) -> Result<Self> {
        let mut command = Command::new(program()?);
        if referrers == Referrers::Tag {
            command.arg("without-referrers");
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = process.stdout.take().context("no stdout")?;
        let mut host = String::new();
        BufReader::new(stdout).read_line(&mut host)?;
        Ok(Self { host: host.trim().to_owned(), process })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Result<PathBuf> {
    let folder = cache().join(format!("registry-{VERSION}"));
    let program = folder.join("registry");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let module = format!("github.com/google/go-containerregistry@v{VERSION}");
        build_module(&module, Main::Source(MAIN), &program).context("building the registry of the tests")?;
    }
    Ok(program)
}

/// Answer to a path.
#[derive(Clone)]
pub struct Answer {
    pub content_type: &'static str,
    pub body: Bytes,
    /// Value of `Docker-Content-Digest`.
    pub digest: Option<String>,
    /// Length that is announced, if it is not the body's.
    pub length: Option<usize>,
}

/// A registry that answers GET and HEAD with what it was given, true or not. It keeps the paths that were asked.
pub struct LyingRegistry {
    pub host: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

type Answers = Arc<BTreeMap<String, Answer>>;
type Seen = Arc<Mutex<Vec<String>>>;

impl LyingRegistry {
    /// Starts it with answers by path, such as `/v2/tools/a/manifests/1`.
    pub async fn start(answers: BTreeMap<String, Answer>) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        let seen = Seen::default();
        let routes = Router::new().fallback(answer).with_state((Arc::new(answers), Arc::clone(&seen)));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { host, seen, task })
    }

    /// Paths that were asked, in order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic while it is held").clone()
    }
}

impl Drop for LyingRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State((answers, seen)): State<(Answers, Seen)>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    seen.lock().expect("no panic while it is held").push(path.clone());
    let response = Response::builder();
    let Some(answer) = answers.get(&path).cloned() else {
        let status = if path == "/v2/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return response.status(status).body(Body::empty()).expect("a response");
    };
    let length = answer.length.unwrap_or(answer.body.len());
    let mut response =
        response.header(header::CONTENT_TYPE, answer.content_type).header(header::CONTENT_LENGTH, length);
    if let Some(digest) = answer.digest {
        response = response.header("docker-content-digest", digest);
    }
    let is_head = request.method() == Method::HEAD;
    let chunks = if is_head { Vec::new() } else { vec![Ok::<_, std::io::Error>(answer.body)] };
    response.body(Body::from_stream(stream::iter(chunks))).expect("a response")
}
