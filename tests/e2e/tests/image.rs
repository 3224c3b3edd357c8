//! File system of the image, created by the Dockerfile's own script, with the host started in it as in a pod.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop with a panic")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{
    http::Streamable,
    porthole::{binary, listening, tools, until_ready},
};
use serde_json::json;

/// Maximum size of the image, in bytes, with a host of the release profile. The image's own profile, `dist`, makes the host a
/// fifth smaller.
const MAX_SIZE: u64 = 66_000_000;
/// Maximum time until the host listens, and until it has stopped, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_holds_the_host_and_its_tools_and_serves_them() {
    let dockerfile = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    for line in [
        "RUN deploy/rootfs.sh /rootfs target/dist/porthole",
        "FROM scratch",
        "COPY --from=build /rootfs /",
        "USER 65532:65532",
    ] {
        assert!(dockerfile.lines().any(|other| other == line), "the Dockerfile lacks {line:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("rootfs");
    let made = Command::new("sh")
        .arg(root().join("deploy/rootfs.sh"))
        .args([&image, &binary(), &tools()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let all = files(&image);
    let size: u64 = all.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(size < MAX_SIZE, "{size} bytes");
    eprintln!("the image: {size} bytes in {} files", all.len());
    for program in ["sh", "bash", "busybox", "env", "cat", "ls"] {
        assert!(
            !all.iter().any(|file| file.file_name().is_some_and(|name| name == program)),
            "{program} is in it"
        );
    }
    // A later test searches the logs of this folder for tokens.
    let logs = std::env::var_os("PORTHOLE_TEST_LOGS").map_or_else(|| folder.path().to_owned(), PathBuf::from);
    let log_file = logs.join("porthole-image.log");
    // A root of its own, and an unprivileged user, as a container runtime provides.
    let (own, user): (&[&str], &str) = match is_root() {
        true => (&["--mount"], "--userspec=65532:65532"),
        false => (&["--mount", "--map-root-user"], "--userspec=0:0"),
    };
    // A runtime mounts /proc, where the host finds its own binary for the compilers; this mount ends with the process.
    std::fs::create_dir_all(image.join("proc")).unwrap();
    let mut child = Command::new("unshare")
        .args(own)
        .args(["sh", "-c", r#"mount --rbind /proc "$1/proc" && shift && exec chroot "$@""#, "sh"])
        .arg(&image)
        .arg(user)
        .arg(&image)
        .args([
            "/usr/local/bin/porthole",
            "serve",
            "--demo",
            "--admin-listen",
            "off",
            "--plugins",
            "/plugins",
        ])
        .args(["--cache", "/var/cache/porthole/compiled", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log_file).unwrap())
        .spawn()
        .unwrap();
    let log = || std::fs::read_to_string(&log_file).unwrap_or_default();
    // The host chooses the port: one that was free before may be another's by then.
    let begun = Instant::now();
    let origin = loop {
        if let Some(origin) = listening(&log_file).unwrap() {
            break origin;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not listen: {}", log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    until_ready(&origin).await.unwrap_or_else(|error| panic!("{error}: {}", log()));
    let printed = std::io::BufReader::new(child.stdout.take().unwrap());
    let token = std::io::BufRead::lines(printed)
        .map_while(Result::ok)
        .find(|line| line.trim_start().starts_with("admin"))
        .and_then(|line| line.split_whitespace().last().map(str::to_owned))
        .unwrap_or_else(|| panic!("no token is printed: {}", log()));
    porthole_testbed::accounts::remember(&token);
    let pods = Streamable::new(&origin, Some(&token)).call("pods_list", json!({})).await.unwrap();
    assert!(pods.contains("CrashLoopBackOff"), "{pods}");
    let begun = Instant::now();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not stop: {}", log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    eprintln!("stopped {} ms after SIGTERM", begun.elapsed().as_millis());
    assert!(status.success(), "{status}: {}", log());
}

/// True if these tests run as root, which `chroot` requires.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t0"))
}
