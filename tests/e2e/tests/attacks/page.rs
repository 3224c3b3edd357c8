//! The operator's page: forms and addresses that no browser sends.

use std::time::Duration;

use futures::future::join_all;
use porthole_testbed::http::{client, send};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    Case,
    stage::{Setting, Stage},
};

/// Size of a form that is refused.
const VAST: usize = 8 << 20;

async fn post(page: &str, tool: &str, form: String) -> (u16, usize) {
    let request = http::Request::post(format!("{page}/tools/{tool}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from(form))
        .unwrap();
    // A host that closes before the end of a body it refuses is as good.
    let Ok(response) = client().request(request).await else { return (0, 0) };
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await;
    (status, body.map_or(0, |body| body.to_bytes().len()))
}

pub(crate) async fn forms(case: &'static Case) {
    let options = ["--admin-listen", "127.0.0.1:0"];
    let stage = Stage::set(case, Setting { options: &options, ..Setting::default() }).await;
    let page = stage.host.page().await.unwrap();
    let token = stage.nobody().await;
    stage
        .attack(async {
            let vast =
                join_all((0..8).map(|_| post(&page, "pods_list", format!("namespace={}", "x".repeat(VAST)))))
                    .await;
            assert!(vast.iter().all(|(status, _)| matches!(status, 0 | 400 | 413)), "{vast:?}");
            let many: String = (0..60_000).map(|n| format!("a{n}=x&")).collect();
            let (status, bytes) = post(&page, "pods_list", format!("{many}:token={token}")).await;
            assert!(status < 500 && bytes < 256 << 10, "{status}, {bytes} bytes");
            let long = format!(":token={token}&namespace={}", "y".repeat(900_000));
            let (status, bytes) = post(&page, "pods_list_in_namespace", long).await;
            // The form is filled in again with what was sent.
            assert!(status < 500 && bytes < 2 << 20, "{status}, {bytes} bytes");
            for path in [
                "/tools/..%2f..%2fetc%2fpasswd",
                "/tools/%00",
                "/../../etc/passwd",
                "/tools/pods_list/..",
                "/metrics/../",
                "/%2e%2e/metrics",
            ] {
                let answer = send("GET", &format!("{page}{path}"), None, "").await.unwrap();
                assert!(
                    !answer.status.is_server_error() && !answer.body.contains("root:"),
                    "{path}: {}",
                    answer.status
                );
            }
            for method in ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"] {
                let answer = send(method, &format!("{page}/tools/pods_list"), None, "").await.unwrap();
                assert!(answer.status.is_client_error(), "{method}: {}", answer.status);
            }
            // A token in an address, which a browser would remember and a log would hold.
            send("GET", &format!("{page}/tools/pods_list?token={token}&:token={token}"), None, "")
                .await
                .unwrap();
            let shown = send("GET", &page, Some(&token), "").await.unwrap();
            assert!(!shown.body.contains(&token), "{}", shown.body);
            // Headers without an end, on the operator's port too.
            let address = page.trim_start_matches("http://").to_owned();
            let slow = async || {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                stream
                    .write_all(b"POST /tools/pods_list HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n")
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_secs(2)).await;
            };
            let _ = timeout(Duration::from_secs(10), join_all((0..60).map(|_| slow()))).await;
            assert_eq!(send("GET", &page, None, "").await.unwrap().status, 200);
        })
        .await;
    let log = String::from_utf8_lossy(&stage.log()).into_owned();
    assert!(!log.contains(&token), "a token in an address is logged");
    stage.assert_serves().await;
    stage.assert_grown_less_than(96);
}
