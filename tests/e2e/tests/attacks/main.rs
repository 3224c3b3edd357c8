//! Attacks of the security review: each with the attacked promise, the expected behaviour, and the effect on a
//! bystander.
//!
//! Run by `cargo xtask test attacks`, in sequence, so that each effect has a single cause. Every host runs in a control
//! group of 512 MiB and one core, if this machine permits. `/healthz` must be answered within a probe's second
//! throughout; other times are printed, not asserted.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]
#![allow(clippy::print_stdout, reason = "what a bystander felt is for people to read")]

mod audit;
mod busy;
mod components;
mod declarations;
mod floods;
mod folder;
mod forged;
mod names;
mod narrowed;
mod oracles;
mod page;
mod patterns;
mod policy;
mod prompts;
mod protocol;
mod secrets;
mod sessions;
mod stage;

/// Promises of SECURITY.md that are attacked.
#[derive(Debug, Clone, Copy)]
enum Promise {
    /// No value of a Secret leaves the host.
    Secrets,
    /// A caller sees what its own token may see, and a tool gets what it declared.
    Grants,
    /// A single caller, tool or file does not keep the host from serving others.
    Service,
    /// The audit log is complete, and only the host writes to it.
    Audit,
    /// A session answers only its owner.
    Sessions,
}

/// An attack, or a group of similar ones.
struct Case {
    name: &'static str,
    /// Numbers in docs/research/red-team.md; later attacks begin at 49.
    numbers: &'static [u8],
    /// Finding there that the attack belongs to; `held` if nothing had to be mended.
    finding: &'static str,
    promise: Promise,
    attack: &'static str,
    holds: &'static str,
}

macro_rules! cases {
    ($($name:ident [$($number:literal),+] $finding:literal $promise:ident: $attack:literal => $holds:literal, $run:path;)+) => {
        const CASES: &[Case] = &[$(Case {
            name: stringify!($name), numbers: &[$($number),+], finding: $finding, promise: Promise::$promise,
            attack: $attack, holds: $holds,
        }),+];
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let case = CASES.iter().find(|case| case.name == stringify!($name)).unwrap();
            $run(case).await;
        })+
    };
}

cases! {
    annotations_of_a_secret_are_blank [1, 2, 3] "F1" Secrets:
        "a Secret whose annotations hold its values (kapp, Rancher, OpenShift), in every view" => "keys without values", secrets::annotations;
    a_table_that_is_none_is_refused [4] "F18" Secrets:
        "get a Secret as a table; the server sends the Secret" => "an error without the value", secrets::no_table;
    escaped_and_doubled_keys_hide_nothing [5] "held" Secrets:
        "a Secret with `data` twice, and escaped" => "no value", secrets::odd_keys;
    odd_cells_are_no_broken_json [6] "F18" Secrets:
        "a table whose cells are objects, numbers, null" => "an error, or JSON", secrets::odd_cells;
    a_pattern_is_bounded_before_it_is_parsed [7] "F2" Service:
        "grep of \\w × 330,000, twice, by an account without rights" => "refused, in a line", patterns::memory;
    matching_blocks_nobody [8] "F3" Service:
        "grep a[ab]{4000}$ over lines of 250 kB, four at once" => "answered, by others' leave", patterns::long_lines;
    compiling_patterns_blocks_nobody [9] "F3" Service:
        "248 regular expressions in a call" => "answered", patterns::many;
    an_unknown_tools_name_is_cut [10] "F4" Service:
        "20 clients call a tool of 920 kB" => "an error in a line", names::tools;
    an_unknown_arguments_name_is_cut [11] "F4" Service:
        "an argument whose name has 900 kB" => "an error in a line", names::arguments;
    a_method_of_900_kb_is_not_logged [12] "F15" Audit:
        "a method of 900 kB, on both transports" => "a log of a line", names::methods;
    garbage_of_a_stranger_ends_no_session [13] "F6" Sessions:
        "POST of garbage to another's session, without a token and with another's" => "401 or 403; the session lives", sessions::garbage;
    a_strangers_request_is_not_answered_on_the_stream [14] "F6" Sessions:
        "POST of a request to another's session" => "401 or 403; nothing on the stream", sessions::requests;
    a_strangers_cancel_cancels_nothing [15] "F6" Sessions:
        "a cancel of another's open call" => "the call is answered", sessions::cancels;
    slow_posts_hold_no_memory [16] "F5" Service:
        "60 slow POSTs of 7 MiB without a token" => "refused before they are read", sessions::slow_posts;
    an_unread_session_holds_no_memory [17] "F21" Service:
        "pings with ids of 900 kB on a session that nobody reads" => "bounded", sessions::unread;
    the_201st_session_is_refused [18] "held" Service:
        "201 sessions of one caller" => "503 for the last", sessions::many;
    http_2_is_off_or_bounded [19, 20, 21] "F12" Service:
        "HTTP/2 by prior knowledge: idle, half a header" => "closed", protocol::http_2;
    odd_ids_are_answered_or_refused [22] "held" Sessions:
        "ids null, 1.5, 1e400, half a surrogate" => "an answer; no 5xx", protocol::ids;
    an_id_injects_no_event [23] "held" Sessions:
        "id and progressToken with line breaks and `data:`" => "one event, as it was sent", protocol::injection;
    odd_messages_are_answered_or_refused [24] "held" Sessions:
        "a batch, deep nesting, doubled members" => "an answer; no 5xx", protocol::messages;
    a_host_that_no_browser_sends_is_refused [25, 26] "low" Sessions:
        "Host `[::1]evil.example`, `127.0.0.1:80@evil`; Origin twice, Origin null" => "refused", protocol::hosts;
    a_smuggled_request_is_refused [27] "held" Sessions:
        "Content-Length with Transfer-Encoding, and twice" => "one answer at most", protocol::smuggling;
    a_log_line_forges_no_audit [28] "F7" Audit:
        "call.log of a line break and an audit line" => "escaped", components::forged_line;
    a_fault_draws_nothing_on_a_terminal [29] "F7" Audit:
        "a panic with \\r and ESC in it" => "escaped", components::terminal;
    a_file_name_forges_no_audit [30] "F7" Audit:
        "a file whose name holds a line break and an audit line" => "escaped", folder::file_name;
    a_flood_of_log_lines_is_cut [31] "F15" Service:
        "call.log of 4 kB, 30,000 times" => "100 lines and 64 KiB", components::log_flood;
    every_byte_of_an_answer_counts [32] "F14" Service:
        "an Err of 3 MB, an embedded uri, a mime type, an image" => "an answer of 32 KiB", components::answers;
    a_million_items_are_an_error [33] "held" Service:
        "a million items; 100 MB of text" => "an error", components::sizes;
    handles_are_bounded [34] "held" Service:
        "pollables without end" => "an error", components::handles;
    a_hostile_allocator_is_a_fault [35] "held" Service:
        "realloc that loops, and one that points outside" => "an error", components::allocators;
    a_file_that_loops_is_not_served [36] "low" Service:
        "loops in start and in describe" => "named in /readyz; others are served", folder::loops;
    an_outcome_that_is_none_is_a_fault [37] "held" Service:
        "a bad tag, bad UTF-8, a length of 4 GiB" => "an error", components::outcomes;
    growth_is_bounded [38] "held" Service:
        "tables and memories that grow; memory.fill" => "an error", components::growth;
    a_vast_declaration_is_not_served [39] "low" Service:
        "60,000 properties; a summary of 3.5 MB" => "named in /readyz", declarations::vast;
    a_fifo_is_an_error_of_one_file [40] "F9" Service:
        "a FIFO among the tools, before the start and after" => "named in /readyz; others are served", folder::fifo;
    an_endless_file_is_an_error_of_one_file [41] "F9" Service:
        "a link to /dev/zero" => "named in /readyz; others are served", folder::zero;
    broken_links_and_bad_files_are_errors_of_theirs [42] "F9" Service:
        "links to /etc/passwd/x and to itself; 2,000 bad files" => "others are served", folder::broken;
    what_is_denied_is_closed [43] "F10" Grants:
        "denied: [secret, deployments, deployments.v1.apps]" => "closed, or an error at the start", policy::denied;
    a_callers_own_token_is_never_logged [44] "F13" Audit:
        "the caller's opaque token as argument, name and tool; eyJ in odd places; passwd, pw" => "redacted", audit::tokens;
    helm_bombs_block_nobody [45] "F11" Service:
        "60 Helm Secrets that unpack to 63 MiB each, four calls" => "answered", policy::helm_bombs;
    spinning_components_starve_nobody [46] "F8" Service:
        "8 spinning calls of one caller" => "others are answered; waiting is not charged", components::spinning;
    near_namespaces_need_a_grant [47] "F19" Grants:
        "a tool that declares configmaps misspells a namespace" => "no name of another", policy::near_namespaces;
    paths_are_of_names [48] "low" Grants:
        "node `http:node-1:2379`; a plural with /../ from discovery" => "not sent on", policy::paths;
    a_declaration_is_parsed [49] "F0" Grants:
        "a component declares `\"secrets\" `, rules in line breaks, an unknown verb" => "not served; no such rule printed", declarations::injected;
    a_schema_that_no_client_keeps_is_refused [50] "low" Service:
        "$ref and pattern in a property" => "named in /readyz", declarations::schemas;
    a_compile_bomb_is_a_file_that_is_not_served [51] "compile" Service:
        "branch tables, and 200,000 functions" => "the host serves others within its memory", folder::bombs;
    every_call_has_its_line [52] "F17" Audit:
        "a malformed call, 50 cancelled at once, 31 decoys before a Secret" => "a line each; secrets named", audit::lines;
    explain_is_bounded [53] "F20" Service:
        "explain of spec and .not × 60,000" => "refused, in a line", names::paths;
    bad_tokens_are_remembered [54] "low" Service:
        "a token that the API server refuses, 60 times" => "few reviews", policy::bad_tokens;
    a_reason_is_short_whatever_a_file_holds [56] "G1" Service:
        "200 files whose schema requires a name of 65 kB" => "a reason of a line, and /readyz of fifty", declarations::requirements;
    vast_fields_of_a_component_are_refused [57] "G2" Service:
        "reads with a path of a million names, and one of control characters" => "refused, in a line", names::fields;
    an_argument_is_not_repeated_whole [58] "G3" Service:
        "fields, sortBy, output and continue of 60 kB" => "an error in a line", names::echoes;
    an_event_forges_no_line_of_an_answer [59] "G4" Service:
        "an event whose type, reason and message hold line breaks and overrides" => "one line each", names::lines;
    a_secret_in_a_log_is_no_oracle [60] "logs" Secrets:
        "logs and events that hold a token, read by every road and searched for it" => "masked, and never found", secrets::logged;
    a_narrowed_caller_learns_nothing_elsewhere [61] "held" Grants:
        "names in a namespace that `policy` closes, asked for by every tool, with it and without it" => "answered as names that are nowhere", narrowed::by_policy;
    an_account_of_one_namespace_learns_nothing_elsewhere [62] "held" Grants:
        "names in a namespace that RBAC closes, asked for by every tool, with it and without it" => "answered as names that are nowhere", narrowed::by_rights;
    a_denied_kind_is_shown_by_no_other_tool [63] "held" Grants:
        "denied: [configmaps, events, services], asked of find, changes, diagnose, describe" => "no name of one", narrowed::by_denied;
    a_closed_tool_is_reached_by_no_other_way [64] "held" Grants:
        "a tool that `policy` closes, by other spellings, on both transports and on the page" => "refused", narrowed::tools;
    a_strangers_continue_token_reads_nothing [65] "held" Grants:
        "the continue token of a list, used by accounts that may not read it" => "forbidden", narrowed::continuation;
    values_of_secrets_are_no_oracle [66] "held" Secrets:
        "where, sortBy, count and find by values of Secrets" => "the same answer for a right guess and a wrong one", oracles::values;
    text_of_an_object_forges_no_finding [67] "held" Grants:
        "statuses, events and data that hold lines of diagnose and of a notice" => "no line of its own", forged::diagnosis;
    a_writers_name_forges_no_line [68] "held" Grants:
        "names, namespaces, managers and fields with line breaks, from a hostile API server" => "one line each", forged::writers;
    a_log_of_many_shapes_is_bounded_and_hides_nothing [69] "held" Service:
        "60,000 lines that do not fold, and lines like a fold's notice, as a digest, four at once" => "bounded; the error is found", forged::folds;
    a_server_that_asks_to_wait_holds_nobody [70] "held" Service:
        "429 with waits of 0, 1, -1 and 99,999,999,999 s, 16 calls of one caller" => "three tries at most; others are answered", busy::waits;
    a_session_id_is_neither_chosen_nor_guessed [71] "held" Sessions:
        "ids that a client chose, cut, doubled or bent, on the stream and on messages" => "4xx; the session goes on", sessions::ids;
    the_page_takes_no_vast_form [72] "held" Service:
        "forms of 8 MiB and of 60,000 fields, paths with .., a token in an address, slow headers, on the operator's port" => "refused, and nothing of it is kept", page::forms;
    a_value_of_a_prompt_is_no_template [73] "held" Service:
        "prompts with names and values of 900 kB, with placeholders and line breaks" => "an error in a line, or one line of the text", prompts::values;
    no_text_argument_is_repeated_whole [74] "held" Service:
        "60 kB in each text argument of each tool" => "not repeated", names::every_argument;
    a_masked_value_is_no_oracle [75] "values" Secrets:
        "values that the operator masks in a ConfigMap and in environments, by every view, condition, sort and selector" => "masked, and never found", secrets::masked;
    every_flood_in_turn [55] "all" Service:
        "the floods above, one after the other, against one host" => "alive and serving after each", floods::all;
}

#[test]
fn every_attack_of_the_review_is_in_the_table() {
    for number in 1..=48 {
        assert!(CASES.iter().any(|case| case.numbers.contains(&number)), "{number}");
    }
}
