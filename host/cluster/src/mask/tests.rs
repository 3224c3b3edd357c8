use super::*;

/// A token of 40 characters, put together here so that no scanner of repositories reports it.
fn token(prefix: &str) -> String {
    format!("{prefix}a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0")
}

fn masked(text: &str) -> String {
    mask_text(text).into_owned()
}

const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl_b2Zz-aXQ";

#[test]
fn secrets_are_masked_and_keep_their_kind() {
    let aws = format!("AKI{}", "AIOSFODNN7EXAMPL2");
    let cases: Vec<(String, &str)> = vec![
        (format!("got {JWT}, next"), "got <masked: jwt>, next"),
        (format!("id=x.{JWT}"), "id=x.<masked: jwt>"),
        (format!("> Authorization: Bearer {JWT}"), "> Authorization: Bearer <masked: authorization>"),
        ("authorization: Basic dXNlcjpwYXNz".into(), "authorization: Basic <masked: authorization>"),
        (
            r#"{"Authorization":["Bearer abcdefgh12"]}"#.into(),
            r#"{"Authorization":["Bearer <masked: authorization>"]}"#,
        ),
        ("Authorization: 0123456789abcdef".into(), "Authorization: <masked: authorization>"),
        ("curl -H 'x: bearer abcdef0123456789'".into(), "curl -H 'x: bearer <masked: bearer token>'"),
        (format!("key {aws} used"), "key <masked: aws access key id> used"),
        (token("AWS_SECRET_ACCESS_KEY="), "AWS_SECRET_ACCESS_KEY=<masked: aws secret access key>"),
        (token("secretAccessKey: "), "secretAccessKey: <masked: aws secret access key>"),
        (token("push ghp_"), "push <masked: github token>"),
        (token("gho_"), "<masked: github token>"),
        (token("github_pat_"), "<masked: github token>"),
        (token("x glpat-"), "x <masked: gitlab token>"),
        (token("slack xoxb-"), "slack <masked: slack token>"),
        (format!("AIz{}", "aSyD-1234567890abcdefghijklmnopqrstu"), "<masked: google api key>"),
        (
            format!("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==;x", "aB3/".repeat(21)),
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=<masked: azure key>;x",
        ),
        (token("sk_live_"), "<masked: stripe key>"),
        (format!("npm_{}", "a1B2".repeat(9)), "<masked: npm token>"),
        ("login password=hunter2 ok".into(), "login password=<masked: password> ok"),
        ("DB_PASSWORD='a b' x".into(), "DB_PASSWORD='<masked: password>' x"),
        ("passwd: hunter2".into(), "passwd: <masked: password>"),
        ("password = hunter2".into(), "password = <masked: password>"),
        (r#"{"password":"hun\"ter2","a":1}"#.into(), r#"{"password":"<masked: password>","a":1}"#),
        (r#"msg="{\"password\": \"hunter2\"}""#.into(), r#"msg="{\"password\": \"<masked: password>\"}""#),
        ("{'client_secret': 'hunter2'}".into(), "{'client_secret': '<masked: secret>'}"),
        (
            "GET /cb?token=abc&secret=def&x=1".into(),
            "GET /cb?token=<masked: token>&secret=<masked: secret>&x=1",
        ),
        ("token: a1B2c3D4e5F6g7H8".into(), "token: <masked: token>"),
        ("X-Api-Key: 12345".into(), "X-Api-Key: <masked: api key>"),
        ("api_key=12345 apikey=6".into(), "api_key=<masked: api key> apikey=<masked: api key>"),
        (
            "postgres://shop:hunter2@db:5432/shop".into(),
            "postgres://shop:<masked: url password>@db:5432/shop",
        ),
        ("redis://:p@ss@cache:6379".into(), "redis://:<masked: url password>@cache:6379"),
    ];
    for (text, expected) in cases {
        assert_eq!(masked(&text), expected);
        assert_eq!(masked(expected), expected, "a second time");
        assert_eq!(count(expected.as_bytes()), expected.matches(OPEN).count() as u64);
    }
}

#[test]
fn colours_hide_no_secret_and_are_left_out() {
    let aws = format!("AKI{}", "AIOSFODNN7EXAMPL2");
    let (start, end) = aws.split_at(9);
    for (text, expected) in [
        (format!("\u{1b}[32m{aws}\u{1b}[0m used"), "<masked: aws access key id> used"),
        (format!("key {start}\u{1b}[m{end}"), "key <masked: aws access key id>"),
        (format!("key {start}\u{9b}m{end}"), "key <masked: aws access key id>"),
        (format!("key {start}\u{1b}{end}"), "key <masked: aws access key id>"),
        ("\u{1b}[36mpassword\u{1b}[0m=hunter2".into(), "password=<masked: password>"),
        ("\u{1b}[36mpassword\u{1b}(B\u{1b}[m=hunter2".into(), "password=<masked: password>"),
        (
            "pass\u{1b}]0;title\u{7}word\u{1b}]8;;\u{1b}\\=hunter2\nnext".into(),
            "password=<masked: password>\nnext",
        ),
        ("pass\u{1b}\u{1b}[mword=hunter2 \u{1b}\u{1b}[m[31m".into(), "password=<masked: password> [31m"),
        ("\u{1b}[31mred\u{1b}[m".into(), "red"),
        ("\u{1b}[m".into(), ""),
    ] {
        assert_eq!(masked(&text), expected, "{text:?}");
    }
    let key = format!("\u{1b}[33m-----BEGIN \u{1b}[mPRIVATE KEY-----\n\u{1b}[33m{BODY}\u{1b}[m\n");
    assert_eq!(masked(&key), "<masked: private key>\n<masked: private key>\n");
}

#[test]
fn look_alikes_stay() {
    for text in [
        "pod web-6d4f9c7b8d-k8pq2 uid 7d4f1c2e-58a1-4c39-9f0e-1b2a3c4d5e6f",
        "image registry.example.com/shop/web:v1.2.3@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "payload aGVsbG8gd29ybGQsIHRoaXMgaXMgb3JkaW5hcnkgZGF0YSBpbiBiYXNlNjQ=",
        "eyJoZWxsbyI6IndvcmxkIn0",
        "data eyJoZWxsbyI6IndvcmxkIn0= and foo.eyJ.bar",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "token= user=bob",
        "token=\"\" password='' secret=",
        "{\"token\":\"\",\"password\":null}",
        "password=null token=none secret=true",
        "MountVolume.SetUp failed for volume \"default-token-abc12\": timed out",
        "MountVolume.SetUp failed for volume \"db\" : secret \"db-password\" not found",
        "couldn't find key password in Secret shop/db",
        "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
        "unexpected token: expected a comma",
        "secret: web-tls-2024-renewed",
        "issued certificate secret=cert-manager/web-tls",
        "{\"Secret\":\"shop/web-tls\"}",
        "max_tokens=512 tokens: 300 tokenizer=bpe",
        "secretName=web-tls imagePullSecrets: [regcred]",
        "Bearer authentication is required",
        "authorization: forbidden for user system:anonymous",
        "https://example.com:8443/path?at=a@b",
        "password=${DB_PASSWORD} password=****",
        "ghp_short xoxb-1 npm_config_cache sk_live_ AKIA glpat-x",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQm9ndXM=\n-----END CERTIFICATE-----",
    ] {
        assert_eq!(masked(text), text);
    }
}

const BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";

#[test]
fn a_private_key_is_masked_to_its_last_line() {
    for label in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let key =
            format!("-----BEGIN {label}PRIVATE KEY-----\n{BODY}\nrest7A==\n-----END {label}PRIVATE KEY-----");
        let text = masked(&format!("before\nkey {key} after\n{BODY}\n"));
        let mask = "<masked: private key>";
        assert_eq!(text, format!("before\nkey {mask}\n{mask}\n{mask}\n{mask} after\n{BODY}\n"));
        let escaped = format!("{{\"key\":\"{}\"}}", key.replace('\n', "\\n"));
        assert_eq!(masked(&escaped), format!("{{\"key\":\"{mask}\"}}"));
    }
}

#[test]
fn a_key_whose_lines_have_timestamps_or_neighbours_is_masked() {
    let time = "2026-11-29T07:00:00.1Z";
    let text = masked(&format!(
        "{time} -----BEGIN PRIVATE KEY-----\n{time} {BODY}\nGET /healthz 200\n{time} {BODY}\n{time} -----END PRIVATE KEY-----\n"
    ));
    assert!(!text.contains(BODY) && text.contains("GET /healthz 200"), "{text}");
}

#[test]
fn a_text_that_begins_within_a_key_is_masked_as_far_as_it_can_be_known() {
    let text = masked(&format!("{BODY}\n{BODY}\n-----END PRIVATE KEY-----\nready\n{BODY}\n"));
    assert_eq!(text.matches(BODY).count(), 1, "{text}");
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n";
    assert_eq!(masked(digest), digest);
}

#[test]
fn a_key_without_an_end_does_not_mask_the_rest_of_the_log() {
    let log = format!("-----BEGIN PRIVATE KEY-----\n{}", "word\n".repeat(1000));
    assert!(masked(&log).ends_with("word\nword\n"));
}

#[test]
fn a_line_of_many_candidates_is_masked_in_linear_time() {
    let lines = [
        "eyJ-ghp_".repeat(1 << 17),
        token("eyJ.ghp_").repeat(1 << 14),
        "token:secret:".repeat(1 << 16),
        "://a:".repeat(1 << 17),
        "-----BEGIN ".repeat(1 << 16),
        "\"password\":\"".repeat(1 << 16),
        ".eyJabcde".repeat(1 << 16),
        "bearer ".repeat(1 << 17),
    ];
    for line in lines {
        let began = std::time::Instant::now();
        masked(&line);
        // Unoptimized; a quadratic search takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:.40}: {:?}", line, began.elapsed());
    }
}
