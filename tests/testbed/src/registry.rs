//! A registry: go-containerregistry's, as a program.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};

use crate::{
    binaries::{Main, build_module, cache},
    pki::Pki,
};

/// Version of go-containerregistry.
const VERSION: &str = "0.22.1";
/// Revision of the program below: another one is built anew.
const REVISION: u32 = 2;
/// Its own program listens on every address of the machine.
const MAIN: &str = r#"package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "127.0.0.1", "")
	referrers := flag.Bool("referrers", true, "")
	certificate := flag.String("certificate", "", "")
	key := flag.String("key", "", "")
	flag.Parse()
	listener, err := net.Listen("tcp", net.JoinHostPort(*address, "0"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	handler := registry.New(registry.WithReferrersSupport(*referrers), registry.Logger(log.New(io.Discard, "", 0)))
	if *certificate != "" {
		log.Fatal(http.ServeTLS(listener, handler, *certificate, *key))
	}
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
    /// Starts a registry on loopback. Its program is built once (half a minute).
    pub fn start(referrers: Referrers) -> Result<Self> {
        Self::launch(&[format!("-referrers={}", referrers == Referrers::Api)])
    }

    /// Starts a registry with TLS at an address of this network, for which the certificate must be.
    pub fn start_with_tls(address: &str, pki: &Pki) -> Result<Self> {
        let (certificate, key) = (pki.server.0.display(), pki.server.1.display());
        Self::launch(&[
            format!("-address={address}"),
            format!("-certificate={certificate}"),
            format!("-key={key}"),
        ])
    }

    fn launch(arguments: &[String]) -> Result<Self> {
        let mut process =
            Command::new(program()?).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = process.stdout.take().context("no stdout")?;
        let mut host = String::new();
        BufReader::new(stdout).read_line(&mut host)?;
        let registry = Self { host: host.trim().to_owned(), process };
        ensure!(!registry.host.is_empty(), "the registry does not start");
        Ok(registry)
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
    let folder = cache().join(format!("registry-{VERSION}-{REVISION}"));
    let program = folder.join("registry");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let module = format!("github.com/google/go-containerregistry@v{VERSION}");
        build_module(&module, Main::Source(MAIN), &program).context("building the registry of the tests")?;
    }
    Ok(program)
}
