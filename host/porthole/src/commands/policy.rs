//! `porthole policy explain`: the rules that name a caller, and what they leave.
#![expect(clippy::print_stdout, reason = "the answer of the command")]

use std::{fmt::Write as _, process::ExitCode};

use porthole_contract::Printable;
use porthole_guard::{CallerPolicy, CallerRule};

use crate::{cli::Explain, config::Config};

/// Prefix of the user name of a ServiceAccount.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Explains the policy to stdout.
pub(crate) fn explain(options: &Explain) -> anyhow::Result<ExitCode> {
    let config = Config::read(&options.config)?;
    let (text, open) = render(&config.policy, options);
    print!("{text}");
    Ok(if open { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The explanation, and true if what was asked for is open.
fn render(policy: &CallerPolicy, options: &Explain) -> (String, bool) {
    let groups = groups(&options.user, &options.group);
    let ceiling = policy.ceiling(&options.user, &groups);
    let mut text = String::new();
    let mut line = |content: &str| writeln!(text, "{}", Printable(content)).unwrap_or_default();
    line(&format!("{} in {}", options.user, groups.join(", ")));
    let rules = policy.rules(&options.user, &groups);
    for (number, (rule, named)) in rules.iter().enumerate() {
        line(&match named {
            true => format!("policy[{number}] names it: {}", lists(rule)),
            false => format!("policy[{number}] does not name it"),
        });
    }
    if !rules.iter().any(|(_, named)| *named) {
        line("no rule names it, so policyDefault applies");
    }
    let mut open = true;
    let mut verdict = |what: String, is_open: bool| {
        open &= is_open;
        line(&format!("{what}: {}", if is_open { "open" } else { "closed" }));
    };
    if let Some(tool) = &options.tool {
        verdict(format!("tool {tool}"), ceiling.allows_tool(tool));
    } else if !ceiling.allows_any_tool() {
        verdict("every tool".to_owned(), false);
    }
    let namespaces = ceiling.namespaces();
    if let Some(namespace) = &options.namespace {
        let within = namespaces.as_ref().is_none_or(|open| open.contains(namespace.as_str()));
        verdict(format!("namespace {namespace}"), within);
    }
    (text, open)
}

/// Groups of the caller, with those that Kubernetes gives to every account.
fn groups(user: &str, named: &[String]) -> Vec<String> {
    let mut groups = named.to_vec();
    // The caller of `--identity host` is no account of the cluster.
    if user == "host" {
        return groups;
    }
    if let Some((namespace, _)) = user.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':')) {
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    groups.push("system:authenticated".to_owned());
    groups
}

/// Lists of a rule.
fn lists(rule: &CallerRule) -> String {
    let list = |name: &str, items: Option<Vec<&str>>| {
        items.map(|items| {
            if items.is_empty() { format!("no {name}") } else { format!("{name} {}", items.join(", ")) }
        })
    };
    let tools = rule.tools.as_ref().map(|tools| tools.iter().map(|tool| &**tool).collect());
    let namespaces = rule.namespaces.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let kinds = rule.kinds.as_ref().map(|kinds| kinds.names().iter().map(String::as_str).collect());
    let lists: Vec<String> = [list("tools", tools), list("namespaces", namespaces), list("kinds", kinds)]
        .into_iter()
        .flatten()
        .collect();
    if lists.is_empty() { "everything".to_owned() } else { lists.join("; ") }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, PolicyCommand};

    fn explained(config: &str, arguments: &[&str]) -> (String, bool) {
        let command = ["porthole", "policy", "explain", "--config", "x"].iter().chain(arguments);
        let Command::Policy(PolicyCommand::Explain(options)) = Cli::parse_from(command).command else {
            panic!("another command");
        };
        render(&Config::parse(config).unwrap().policy, &options)
    }

    const CONFIG: &str = "policyDefault: deny\npolicy:\n- callers: {groups: [oncall]}\n  tools: [pods_log, find]\n  namespaces: [shop]\n- callers: {groups: [\"system:serviceaccounts:dify\"]}\n  kinds: [pods, Event]\n  tools: []\n";

    #[test]
    fn the_rules_that_name_a_caller_are_told_with_what_they_leave() {
        let (text, open) = explained(CONFIG, &["--as", "jane", "--group", "oncall", "--tool", "find"]);
        assert!(open);
        assert_eq!(
            text,
            "jane in oncall, system:authenticated\npolicy[0] names it: tools find, pods_log; namespaces shop\npolicy[1] does not name it\ntool find: open\n"
        );
        let (text, open) = explained(CONFIG, &["--as", "system:serviceaccount:dify:agent", "--tool", "find"]);
        assert!(!open);
        assert!(
            text.contains("policy[1] names it: no tools; kinds pods, Event\ntool find: closed\n"),
            "{text}"
        );
        let asked = ["--as", "jane", "--group", "oncall", "--namespace", "web"];
        let (text, open) = explained(CONFIG, &asked);
        assert!(!open && text.ends_with("namespace web: closed\n"), "{text}");
    }

    #[test]
    fn a_caller_that_no_rule_names_falls_to_the_default() {
        let (text, open) = explained(CONFIG, &["--as", "john"]);
        assert!(!open);
        assert!(text.ends_with("no rule names it, so policyDefault applies\nevery tool: closed\n"), "{text}");
        let (text, open) = explained("", &["--as", "jo\nhn"]);
        assert!(open && text.starts_with("jo\\nhn in"), "{text}");
    }
}
