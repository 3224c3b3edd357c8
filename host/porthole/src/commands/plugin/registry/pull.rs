//! `porthole plugin pull`: brings the sources of a configuration into a folder, once or again and again.

use std::{fs, process::ExitCode, time::Duration};

use anyhow::Context;
use porthole_registry::{Registries, Round, Source, Tags, Trust};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::{failed, printable, signed, sources};
use crate::{
    cli::registry::Pull, commands::serve::stop_signal, config::Config, polling::Waits,
    sources_lock::SOURCES_LOCK,
};

/// Brings the sources of a configuration into a folder.
pub(in crate::commands::plugin) async fn pull(options: &Pull) -> anyhow::Result<ExitCode> {
    let configured = configured(options)?;
    fs::create_dir_all(&options.into).with_context(|| printable(&options.into))?;
    match options.poll {
        None => Ok(round(options, &configured, Tags::Locked, Words::All, &CancellationToken::new()).await),
        Some(interval) => poll(options, interval).await,
    }
}

/// Sources, trust and registries of a configuration.
type Configured = (Vec<Source>, Trust, Registries);

fn configured(options: &Pull) -> anyhow::Result<Configured> {
    sources(&Config::read(&options.config)?.sources)
}

/// Successes that are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    All,
    /// Those that changed something.
    Changes,
}

/// Pulls again and again until a signal. A failure is printed, and the next pull may mend it.
async fn poll(options: &Pull, interval: Duration) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let signalled = tokio::spawn({
        let stop = stop.clone();
        async move {
            let signal = stop_signal().await;
            stop.cancel();
            signal
        }
    });
    let (mut waits, mut words) = (Waits::new(interval), Words::All);
    while !stop.is_cancelled() {
        // Anew, because keys rotate and digests are revoked while this runs.
        let exit = match configured(options) {
            Ok(configured) => round(options, &configured, Tags::Followed, words, &stop).await,
            Err(error) => {
                eprintln!("porthole: {error:#}; nothing is pulled until that is mended");
                ExitCode::FAILURE
            }
        };
        words = Words::Changes;
        let next = waits.next(exit == ExitCode::SUCCESS);
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => {}
        }
    }
    signalled.await??;
    Ok(ExitCode::SUCCESS)
}

/// Pulls each source. A signal to stop ends the pull of one, of which nothing is kept; the lock has those before.
async fn round(
    options: &Pull,
    (sources, trust, registries): &Configured,
    tags: Tags,
    words: Words,
    stop: &CancellationToken,
) -> ExitCode {
    let path = options.lock.clone().unwrap_or_else(|| options.into.join(SOURCES_LOCK));
    let mut round = match Round::begin(&options.into, &path, sources, trust, registries) {
        Ok(round) => round,
        Err(error) => return failed(&error),
    };
    let mut exit = ExitCode::SUCCESS;
    for removed in round.remove_revoked() {
        match removed {
            Ok(path) => println!("{}: removed, it is revoked", printable(&path)),
            Err(error) => exit = failed(&error),
        }
    }
    for source in sources {
        let pulled = tokio::select! {
            pulled = round.pull(source, tags) => pulled,
            () = stop.cancelled() => break,
        };
        match pulled {
            Ok(pulled) if pulled.is_new || words == Words::All => {
                let status = if pulled.is_new { "pulled" } else { "there already" };
                let key = signed(pulled.tool.signed_by.as_deref());
                println!(
                    "{}: {status}, {} of {}, {key}",
                    printable(&pulled.path),
                    pulled.tool.layer,
                    source.image
                );
            }
            Ok(_) => {}
            Err(error) => exit = failed(&error),
        }
    }
    for removed in round.remove_unnamed() {
        match removed {
            Ok((image, path)) => println!("{}: removed, no source names {image}", printable(&path)),
            Err(error) => exit = failed(&error),
        }
    }
    if let Err(error) = round.end() {
        exit = failed(&error);
    }
    exit
}
