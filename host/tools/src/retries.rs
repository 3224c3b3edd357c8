//! Retry schedule for files whose loading failed transiently, such as a compiler that was killed or could not be
//! started.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// Wait before the second attempt; doubles with each further one, up to [`MAX_WAIT`]. Written by hand: crates such as
/// backon call one future repeatedly, and here the folder is scanned in between.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Files with a scheduled retry.
#[derive(Debug, Default)]
pub(super) struct Retries(HashMap<String, Retry>);

#[derive(Debug)]
struct Retry {
    due: Instant,
    wait: Duration,
}

impl Retries {
    /// Schedules a retry of a file that failed at `now`.
    pub(super) fn record_failure(&mut self, file: &str, now: Instant) {
        let before = self.0.get(file).map(|retry| retry.wait.saturating_mul(2));
        let wait = before.unwrap_or(FIRST_WAIT).min(MAX_WAIT);
        let due = now.checked_add(wait).unwrap_or(now);
        self.0.insert(file.to_owned(), Retry { due, wait });
    }

    /// True if a retry is due.
    pub(super) fn is_due(&self, file: &str, now: Instant) -> bool {
        self.0.get(file).is_some_and(|retry| retry.due <= now)
    }

    /// Cancels the retry, after the file changed or its loading ended.
    pub(super) fn forget(&mut self, file: &str) {
        self.0.remove(file);
    }

    /// Keeps only the files for which `present` holds.
    pub(super) fn retain(&mut self, present: impl Fn(&str) -> bool) {
        self.0.retain(|file, _| present(file));
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

    use porthole_sandbox::{Compiler, Engine};

    use super::*;
    use crate::{Catalog, Loader, Settings};

    #[test]
    fn waits_grow_to_a_minute_and_begin_anew_with_another_file() {
        let (mut retries, mut now) = (Retries::default(), Instant::now());
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            retries.record_failure("x", now);
            now += Duration::from_secs(wait);
            assert!(
                !retries.is_due("x", now - Duration::from_millis(1)) && retries.is_due("x", now),
                "{wait}"
            );
        }
        retries.forget("x");
        assert!(!retries.is_due("x", now));
        retries.record_failure("x", now);
        assert!(retries.is_due("x", now + FIRST_WAIT));
    }

    fn catalog(folder: &Path, compiler: Compiler) -> Arc<Catalog> {
        let settings = Settings::default();
        let engine = Arc::new(Engine::new(1, settings.max_memory(), 1 << 30).unwrap());
        Arc::new(Catalog::new(folder.to_owned(), Loader { engine, compiler, settings }))
    }

    async fn until_reported(catalog: &Catalog, expected: &str) {
        // A minute: two programs are started for it, on a busy machine.
        for _ in 0..1200 {
            if catalog.current().failures.get("tool.wasm").is_some_and(|failure| failure.contains(expected)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{expected}: {:?}", catalog.current().failures);
    }

    #[tokio::test]
    async fn a_file_whose_compiler_was_killed_is_tried_again_and_says_so_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (program, begun) = (folder.path().join("compiler"), folder.path().join("begun"));
        // Killed on the first attempt; on the second, it reports that the file is no component.
        let text = "#!/bin/sh\n[ -e BEGUN ] || { : > BEGUN; kill -9 $$; }\necho nonsense >&2\nexit 1\n";
        std::fs::write(&program, text.replace("BEGUN", &begun.to_string_lossy())).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let tools = folder.path().join("tools");
        std::fs::create_dir(&tools).unwrap();
        std::fs::write(tools.join("tool.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
        let catalog = catalog(&tools, Compiler::of_program(program));
        let kept_loaded = tokio::spawn({
            let catalog = Arc::clone(&catalog);
            async move { catalog.keep_loaded().await }
        });
        until_reported(&catalog, "signal: 9 (SIGKILL): without a word; it is tried again.").await;
        until_reported(&catalog, "not a WebAssembly component: nonsense.").await;
        kept_loaded.abort();
    }
}
