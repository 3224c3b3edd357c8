//! Programs of a node that Debian does not have: built from their Go modules, once for each version.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::binaries::{Binaries, build_kubernetes_main, versioned_cache};

/// One program with the name of any: linking what they share five times would take as long again.
const MAIN: &str = r#"package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	commands := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kube-proxy":              proxy.NewProxyCommand,
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	}
	os.Exit(cli.Run(commands[filepath.Base(os.Args[0])]()))
}
"#;

/// Paths of the programs.
pub(super) struct Programs {
    /// Runs as `kube-apiserver`, `kubelet` and so on, by the name it is called by.
    pub(super) kubernetes: PathBuf,
    pub(super) etcd: PathBuf,
    pub(super) kubectl: PathBuf,
}

impl Programs {
    /// Finds them in the cache, or builds them (7 minutes on 2 cores).
    pub(super) fn find_or_build() -> Result<Self> {
        let Binaries { etcd, kubectl, .. } = Binaries::find_or_build()?;
        let kubernetes = versioned_cache().join("kubernetes");
        if !kubernetes.exists() {
            eprintln!("building the programs of a node from their Go modules (about seven minutes, once)");
            build_kubernetes_main("kubernetes", MAIN, &kubernetes)
                .context("building the programs of a node")?;
        }
        Ok(Self { kubernetes, etcd, kubectl })
    }
}
