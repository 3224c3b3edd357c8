//! Node data through the API server's proxy: a log, or the statistics summary.
//!
//! `nodes/proxy` opens the kubelet's whole API, so the paths are built here and no other path is possible.

use porthole_contract::{Echo, Failure, NodeQuery, NodeSource, Reason};

use super::{
    Client, Workers,
    mask::{Masking, count, mask_text},
    request::{node_segment, parameter},
};

/// Max bytes kept of a node's log, from its end.
const MAX_KEPT: usize = 1 << 20;

/// Beginning of a kubelet's text, in place of a log, if it found a file for the name of a service: of a file it returns all.
const FILE_WITH_OPTIONS: &str = "\noptions present and query resolved to log files for";

/// Reads data of a node.
pub async fn node_read(
    client: Client<'_>,
    query: &NodeQuery,
    masking: Masking,
    workers: &Workers,
) -> Result<String, Failure> {
    let NodeQuery { node, source, tail_lines } = query;
    let proxy = format!("/api/v1/nodes/{}/proxy", node_segment(node)?);
    match source {
        NodeSource::StatsSummary => {
            let what = format!("the statistics of node \"{node}\"");
            let path = format!("{proxy}/stats/summary");
            let body = client.get(&path, "*/*", &what).await?.bytes().await?;
            client.budget.check_size(body.len(), &what)?;
            Ok(String::from_utf8_lossy(&body).into_owned())
        }
        NodeSource::Log(requested) => {
            let name = log_name(requested)?;
            let what = format!("the log {requested} of node \"{node}\"");
            let log = match requested.strip_prefix('/') {
                // Not as a query: a kubelet takes that for a service, refuses it beside `tailLines`, or ignores it.
                Some(_) => read_tail(client, &format!("{proxy}/logs/{name}"), &what).await?,
                None => service_log(client, &proxy, name, *tail_lines, &what).await?,
            };
            hand_out(client, log, *tail_lines, masking, workers, &what).await
        }
    }
}

/// The log of a service, or of a file that the kubelet finds for its name.
async fn service_log(
    client: Client<'_>,
    proxy: &str,
    name: &str,
    lines: Option<u32>,
    what: &str,
) -> Result<String, Failure> {
    let mut path = format!("{proxy}/logs/");
    parameter(&mut path, "query", name);
    let whole = path.clone();
    if let Some(lines) = lines {
        parameter(&mut path, "tailLines", &lines.to_string());
    }
    let log = read_tail(client, &path, what).await?;
    // A kubelet without NodeLogQuery ignores the query and returns a listing of its log folder.
    if is_listing(&log) {
        return Err(Failure::new(
            Reason::Unsupported,
            format!(
                "{what}: this kubelet does not answer for services (feature NodeLogQuery); ask for a file under /var/log with a leading slash, for example /syslog"
            ),
        ));
    }
    if lines.is_some() && log.starts_with(FILE_WITH_OPTIONS) {
        return read_tail(client, &whole, what).await;
    }
    Ok(log)
}

/// Validates a log's name and strips its slash. More slashes would reach the logs of all pods, and `..` any file.
fn log_name(requested: &str) -> Result<&str, Failure> {
    let name = requested.strip_prefix('/').unwrap_or(requested);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 253 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Failure::new(
            Reason::Invalid,
            format!(
                "log {}: name a service such as kubelet, or a file under /var/log such as /syslog, of letters, digits, '.', '_' and '-'; folders cannot be read",
                Echo(requested)
            ),
        ));
    }
    Ok(name)
}

/// The end of a response, holding about [`MAX_KEPT`] bytes at a time.
async fn read_tail(client: Client<'_>, path: &str, what: &str) -> Result<String, Failure> {
    let mut answer = client.get(path, "*/*", what).await?;
    let (mut end, scratch) = (Vec::new(), client.budget.scratch());
    let mut is_cut = false;
    while let Some(chunk) = answer.chunk().await? {
        scratch.hold_up_to(end.len().saturating_add(chunk.len()), what).await?;
        end.extend_from_slice(&chunk);
        // Cut only at twice the size, so that the copying stays linear in the length of the log.
        if end.len() > MAX_KEPT.saturating_mul(2) {
            is_cut = true;
            end.drain(..end.len().saturating_sub(MAX_KEPT));
        }
    }
    if is_cut {
        // The rest of a line may begin with the rest of a secret, which no rule knows.
        let line = end.iter().position(|byte| *byte == b'\n').map_or(end.len(), |at| at.saturating_add(1));
        end.drain(..line);
    }
    let text = String::from_utf8_lossy(&end);
    client.budget.hold(text.len(), what).await?;
    Ok(text.into_owned())
}

/// The last `lines` lines of a log, masked. Masked before the lines are counted, because a key may begin above them.
async fn hand_out(
    client: Client<'_>,
    log: String,
    lines: Option<u32>,
    masking: Masking,
    workers: &Workers,
    what: &str,
) -> Result<String, Failure> {
    let text = match masking {
        Masking::Off => log,
        Masking::Mask => {
            let scratch = client.budget.scratch();
            let before = log.len();
            scratch.hold_up_to(before, what).await?;
            let text = workers.run(client.budget, what, move |_| mask_text(&log).into_owned()).await?;
            // A mask can be longer than its secret.
            client.budget.hold(text.len().saturating_sub(before), what).await?;
            text
        }
    };
    let text = last_lines(text, lines);
    if masking == Masking::Mask {
        client.budget.count_masked(count(text.as_bytes()));
    }
    Ok(text)
}

fn last_lines(text: String, lines: Option<u32>) -> String {
    // An older kubelet ignores tailLines.
    let Some(lines) = lines else { return text };
    let count = text.lines().count();
    let skipped = count.saturating_sub(lines as usize);
    text.split_inclusive('\n').skip(skipped).collect()
}

fn is_listing(text: &str) -> bool {
    let start = text.trim_start().get(..5).unwrap_or_default().to_lowercase();
    start == "<pre>" || start == "<!doc"
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use porthole_contract::Credential;
    use porthole_quota::{Account, MemoryTotal};

    use super::{
        super::answering::{answering, answering_by_path},
        *,
    };
    use crate::ReadBudget;

    #[tokio::test]
    async fn the_end_of_a_log_counts_as_memory_of_all_calls() {
        const MIB: u64 = 1 << 20;
        let server = answering("a line\n".repeat(200_000)).await;
        let query =
            NodeQuery { node: "n".into(), source: NodeSource::Log("kubelet".into()), tail_lines: Some(1) };
        for (total, expected) in [(8 * MIB, None), (2 * MIB, Some(Reason::Throttled))] {
            let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            let budget = ReadBudget::new(deadline, 4 * MIB, 1 << 20).with_memory(memory);
            let read = node_read(
                Client { server: &server, credential: &Credential::Connection, budget: &budget },
                &query,
                Masking::Mask,
                &Workers::default(),
            )
            .await;
            assert_eq!(read.err().map(|failure| failure.reason), expected);
        }
    }

    #[tokio::test]
    async fn the_log_of_a_node_is_masked_before_its_lines_are_counted() {
        let log =
            "-----BEGIN PRIVATE KEY-----\nhunter2\nhunter2==\n-----END PRIVATE KEY-----\ntoken=hunter2\n";
        let server = answering(log).await;
        let query =
            NodeQuery { node: "n".into(), source: NodeSource::Log("kubelet".into()), tail_lines: Some(3) };
        let mask = "<masked: private key>\n<masked: private key>\ntoken=<masked: token>\n";
        for (masking, shown, masks) in [
            (Masking::Mask, mask, 3),
            (Masking::Off, "hunter2==\n-----END PRIVATE KEY-----\ntoken=hunter2\n", 0),
        ] {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
            let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
            let text = node_read(client, &query, masking, &Workers::default()).await.unwrap();
            assert_eq!((text.as_str(), budget.masked()), (shown, masks));
        }
    }

    #[tokio::test]
    async fn a_file_is_read_as_a_file_and_a_service_is_queried() {
        let queried = "/api/v1/nodes/n/proxy/logs/?query=dpkg.log";
        for (name, answers, expected) in [
            ("/dpkg.log", ["", "one\ntwo\n"], vec!["/api/v1/nodes/n/proxy/logs/dpkg.log".to_owned()]),
            ("dpkg.log", ["one\ntwo\n", ""], vec![format!("{queried}&tailLines=1")]),
            (
                "dpkg.log",
                ["\noptions present and query resolved to log files for [dpkg.log]\ntry without\n", ""],
                vec![format!("{queried}&tailLines=1"), queried.to_owned()],
            ),
        ] {
            let [service, file] = answers.map(str::as_bytes);
            let (server, requests) = answering_by_path(move |path| {
                Some(if path.ends_with("/dpkg.log") { file.to_vec() } else { service.to_vec() })
            })
            .await;
            let source = NodeSource::Log(name.into());
            let query = NodeQuery { node: "n".into(), source, tail_lines: Some(1) };
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
            let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
            node_read(client, &query, Masking::Off, &Workers::default()).await.unwrap();
            let asked: Vec<String> = requests.take().into_iter().map(|request| request.path).collect();
            assert_eq!(asked, expected, "{name}");
        }
    }

    #[test]
    fn only_a_plain_name_reaches_the_kubelet() {
        for name in ["kubelet", "/syslog", "/kubelet.log", "containerd-2_x"] {
            assert!(log_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "/",
            "//x",
            "pods/shop_web/app/0.log",
            "/pods/x",
            "..",
            "/../etc/passwd",
            "a?b",
            "a%2fb",
            ".ssh",
        ] {
            assert!(log_name(name).is_err(), "{name}");
        }
    }
}
