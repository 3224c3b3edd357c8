//! A registry on loopback: go-containerregistry's, as a program.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

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

/// The registry's program. Tests that start at the same time wait for the first one's build.
fn program() -> Result<PathBuf> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache().join(format!("registry-{VERSION}"));
    let program = folder.join("registry");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let module = format!("github.com/google/go-containerregistry@v{VERSION}");
        build_module(&module, Main::Source(MAIN), &program).context("building the registry of the tests")?;
    }
    Ok(program)
}
