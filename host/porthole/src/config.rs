//! Configuration file: selection of tools, limits for all tools and per tool, denied kinds, policy by caller, masking,
//! namespaces to suggest, prompts.

mod approvals;
mod limits;
mod policy;
pub(crate) mod reference;
mod sources;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use porthole_contract::{Echo, Requirement, is_label};
use porthole_guard::{
    CallerPolicy, Denied, EnvironmentMasking, MaskedPaths, MaskedValues, Masking, PolicyDefault,
};
use porthole_tools::{ApprovalMode, ApprovalText, FailurePolicy, Settings};
use serde::Deserialize;

use crate::cli::LoadArgs;
pub(crate) use approvals::ApprovalConfig;
use limits::{CallLimitsText, LimitsText};
use policy::RuleText;
pub(crate) use sources::ToolSources;
use sources::{RegistryText, SourceText, TrustText};

/// Parsed configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Config {
    /// Selection of tools, and their limits.
    pub(crate) tools: Settings,
    /// Approvals of what tools may read.
    pub(crate) approvals: ApprovalConfig,
    /// Kinds that no tool may read.
    pub(crate) denied: Arc<Denied>,
    /// Tools, namespaces and kinds that are open to a caller.
    pub(crate) policy: Arc<CallerPolicy>,
    /// Masking of secrets in logs and event messages.
    pub(crate) masking: Masking,
    /// Values of objects that are masked.
    pub(crate) masked: Arc<MaskedValues>,
    /// Default namespace of calls.
    pub(crate) default_namespace: Option<String>,
    /// Policy for calls while the audit log cannot be written.
    pub(crate) audit: FailurePolicy,
    /// Settings of the admin port.
    pub(crate) admin: Admin,
    /// Folder of prompts in place of those built in.
    pub(crate) prompts: Option<PathBuf>,
    /// Tools that `plugin pull` brings, and whom it trusts.
    pub(crate) sources: ToolSources,
}

/// Settings of the admin port.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Right required of visitors, off loopback.
    #[serde(default)]
    pub(crate) requires: Requirement,
}

/// Error when a configuration file is rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("config file {path}: {cause}")]
    Unreadable { path: String, cause: std::io::Error },
    /// The file is not YAML, has an unknown key, or a value of the wrong type.
    #[error("config file {path}: {cause}")]
    Malformed { path: String, cause: String },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    limits: LimitsText,
    #[serde(default)]
    tools: ToolsText,
    default_namespace: Option<String>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    denied: Vec<String>,
    #[serde(default)]
    policy: Vec<RuleText>,
    #[serde(default)]
    policy_default: PolicyDefault,
    #[serde(default)]
    redact: RedactText,
    #[serde(default)]
    audit: AuditText,
    #[serde(default)]
    admin: Admin,
    #[serde(default)]
    prompts: PromptsText,
    #[serde(default)]
    trust: TrustText,
    #[serde(default)]
    registries: Vec<RegistryText>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PromptsText {
    folder: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RedactText {
    #[serde(default)]
    logs: Masking,
    #[serde(default)]
    paths: Vec<MaskedPaths>,
    #[serde(default)]
    env: EnvironmentMasking,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuditText {
    #[serde(default)]
    on_failure: FailurePolicy,
}

/// Keys for all tools, which no tool can be named, and tools by name.
#[derive(Deserialize, Default)]
struct ToolsText {
    enabled: Option<Vec<String>>,
    #[serde(default)]
    disabled: Vec<String>,
    approve: Option<ApprovalMode>,
    lock: Option<PathBuf>,
    #[serde(default)]
    approved: Vec<ApprovalText>,
    #[serde(default)]
    sources: Vec<SourceText>,
    #[serde(default)]
    network: bool,
    #[serde(flatten)]
    each: BTreeMap<String, ToolText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolText {
    #[serde(default)]
    limits: CallLimitsText,
}

impl Config {
    /// Configuration named by a command's options, or the default.
    pub(crate) fn of(options: &LoadArgs) -> Result<Self, ConfigError> {
        options.config.as_deref().map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let named = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: named.clone(), cause })?;
        Self::parse(&text).map_err(|cause| ConfigError::Malformed { path: named, cause })
    }

    /// Parses the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // A file of blank lines and comments has no YAML document.
        let blank = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let file: File = if blank {
            File::default()
        } else {
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?
        };
        let (calls, host) = file.limits.limits()?;
        let ToolsText { enabled, disabled, approve, lock, approved, sources, network, each } = file.tools;
        let approvals = ApprovalConfig::new(approve, lock, approved)?;
        let tools = each
            .into_iter()
            .map(|(name, tool)| {
                let limits = tool.limits.overlay(calls).map_err(|error| format!("tools.{name}: {error}"))?;
                Ok((name, limits))
            })
            .collect::<Result<_, String>>()?;
        let denied = Arc::new(Denied::parse(&file.denied)?);
        let policy = Arc::new(CallerPolicy::new(policy::rules(file.policy)?, file.policy_default));
        if let Some(both) = enabled.iter().flatten().find(|name| disabled.contains(name)) {
            return Err(format!("tools: {both} is both enabled and disabled"));
        }
        let named = file.namespaces.iter().map(|namespace| ("namespaces", namespace));
        let default = file.default_namespace.iter().map(|namespace| ("defaultNamespace", namespace));
        if let Some((key, none)) = named.chain(default).find(|(_, namespace)| !is_label(namespace)) {
            return Err(format!("{key}: {} is not the name of a namespace", Echo(none)));
        }
        let tools = Settings { calls, tools, enabled, disabled, namespaces: file.namespaces, host };
        let admin = Admin { requires: file.admin.requires.validate()? };
        let RedactText { logs: masking, paths, env } = file.redact;
        let masked = Arc::new(MaskedValues::parse(paths, env)?);
        let (audit, prompts) = (file.audit.on_failure, file.prompts.folder);
        let default_namespace = file.default_namespace;
        let sources = ToolSources { sources, network, trust: file.trust, registries: file.registries };
        sources.check_network()?;
        #[cfg(feature = "registry")]
        sources.validate()?;
        Ok(Self {
            tools,
            approvals,
            denied,
            policy,
            masking,
            masked,
            default_namespace,
            audit,
            admin,
            prompts,
            sources,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use porthole_contract::CallLimits;

    use super::*;

    #[test]
    fn an_empty_file_is_the_table_of_defaults() {
        for text in ["", "# nothing yet\n"] {
            let config = Config::parse(text).unwrap();
            assert_eq!(config.tools.limits_of("pods_list"), CallLimits::default());
            assert_eq!(config.tools.host.sessions_per_caller, 200);
        }
    }

    #[test]
    fn a_tool_has_its_own_limits_over_those_of_all() {
        let config = Config::parse(
            "limits:\n  timeout: 10s\n  memory: 64Mi\n  concurrency: 3\ntools:\n  pods_log:\n    limits:\n      timeout: 1m\n      output: 65536\n      logBytes: 1Gi\n",
        )
        .unwrap();
        let log = config.tools.limits_of("pods_log");
        assert_eq!((log.timeout, log.memory, log.output), (Duration::from_secs(60), 64 << 20, 65536));
        assert_eq!((log.log_bytes, config.tools.limits_of("pods_list").log_bytes), (1 << 30, 256 << 20));
        assert_eq!(config.tools.limits_of("pods_list").timeout, Duration::from_secs(10));
        assert_eq!((config.tools.host.concurrency, config.tools.max_memory()), (3, 64 << 20));
    }

    #[test]
    fn tools_are_chosen_by_name() {
        let config =
            Config::parse("tools:\n  disabled: [pods_log]\n  pods_list:\n    limits: {timeout: 1s}\n")
                .unwrap();
        assert!(
            config.tools.serves("pods_list")
                && config.tools.serves("anything")
                && !config.tools.serves("pods_log")
        );
        assert_eq!(config.tools.limits_of("pods_list").timeout, Duration::from_secs(1));
        let config =
            Config::parse("tools: {enabled: [pods_list]}\nnamespaces: [shop]\ndefaultNamespace: web\n")
                .unwrap();
        assert_eq!(config.default_namespace.as_deref(), Some("web"));
        assert!(config.tools.serves("pods_list") && !config.tools.serves("pods_log"));
        assert_eq!(config.tools.namespaces, ["shop"]);
    }

    #[test]
    fn secrets_in_logs_are_masked_unless_it_is_switched_off() {
        for (text, masking) in [
            ("", Masking::Mask),
            ("redact: {logs: mask}", Masking::Mask),
            ("redact: {logs: off}", Masking::Off),
            ("redact: {logs: 'off'}", Masking::Off),
        ] {
            assert_eq!(Config::parse(text).unwrap().masking, masking, "{text}");
        }
    }

    #[test]
    fn values_of_objects_are_masked_if_the_operator_names_them() {
        let masked = |text| Config::parse(text).unwrap().masked;
        assert_eq!(*masked(""), MaskedValues::default());
        assert_eq!(*masked("redact: {paths: [], env: off}"), MaskedValues::default());
        let paths = masked("redact: {paths: [{kinds: [cm], paths: [data.password]}]}");
        let env = masked("redact: {env: mask}");
        assert!(*paths != MaskedValues::default() && *env != MaskedValues::default() && paths != env);
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, hint) in [
            ("limit: {}", "limit"),
            ("limits: {timeout: soon}", "soon"),
            ("limits: {memory: 1Ki}", "2Mi"),
            ("limits: {memory: 12Q}", "12Q"),
            ("limits: {logBytes: lots}", "lots"),
            ("limits: {concurrency: 0}", "concurrency"),
            ("tools: {x: {limits: {sessions: 3}}}", "sessions"),
            ("tools: {enabled: [a, b], disabled: [b]}", "b is both"),
            ("tools: {enabled: pods_list}", "enabled"),
            ("tools: {approve: sometimes}", "wider"),
            ("tools: {approved: [{tool: a}]}", "version"),
            ("tools: {approved: [{tool: A, version: '1', digest: x, reads: []}]}", "tools.approved: \"A\""),
            ("denied: [secrt]", "secret"),
            ("audit: {onFailure: block}", "refuse"),
            ("audit: {onfailure: drop}", "onfailure"),
            ("admin: {requires: {verb: ''}}", "admin.requires.verb"),
            ("admin: {requires: {verb: frob}}", "get, list, watch"),
            ("namespaces: [shop, Shop]", "\"Shop\" is not"),
            ("namespaces: ['a/b']", "a/b"),
            ("defaultNamespace: Shop", "defaultNamespace: \"Shop\" is not"),
            ("redact: {logs: blank}", "mask"),
            ("redact: {events: mask}", "events"),
            ("redact: {env: blank}", "mask"),
            ("redact: {paths: [{kind: cm, paths: [data]}]}", "kind"),
            ("redact: {paths: [{kinds: [secrt], paths: [data]}]}", "redact.paths[0].kinds: \"secrt\""),
            ("redact: {paths: [{kinds: [cm], paths: ['data[']}]}", "redact.paths[0].paths: field path"),
            ("admin: {requires: {kind: pods}}", "kind"),
            ("policy: [{kinds: [secrt]}]", "policy[0].kinds: \"secrt\""),
            ("policy: [{}, {tools: [Pods]}]", "policy[1].tools: \"Pods\""),
            ("policy: [{namespaces: [a.b]}]", "policy[0].namespaces: \"a.b\""),
            ("policy: [{callers: {}}]", "policy[0].callers names nobody"),
            ("policy: [{callers: {team: [a]}}]", "team"),
            ("policy: [{tool: [find]}]", "tool"),
            ("policyDefault: refuse", "deny"),
            ("prompts: {dir: /x}", "dir"),
            ("tools: {sources: [{image: certs}]}", "tools.sources[0]: \"certs\" is not an image"),
            ("tools: {sources: [{image: r.example/a, digest: x}]}", "\"x\" is not a digest"),
            (
                "tools: {sources: [{image: r.example/a:1, poll: 1m}]}",
                "poll: the server asks no registry unless tools.network",
            ),
            (
                "tools: {network: true, sources: [{image: r.example/a:1, poll: 1ms}]}",
                "poll: an interval is 1s to 1day",
            ),
            ("tools: {network: perhaps}", "network"),
            ("trust: {revoked: [sha256:1]}", "trust.revoked: \"sha256:1\""),
            ("trust: {require: all}", "signature"),
            ("registries: [{name: r.example}]", "host"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
