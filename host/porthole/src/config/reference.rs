//! `porthole config reference`: every key with its default and its meaning, as a valid configuration file.

use porthole_contract::{CallLimits, HostLimits};

use super::limits::Bytes;

/// Renders the reference with the host's defaults.
pub(crate) fn render() -> String {
    let CallLimits { timeout, cpu, memory, reads, read_bytes, log_bytes, output } = CallLimits::default();
    let HostLimits { concurrency, concurrency_per_caller, sessions, sessions_per_caller, memory_total: _ } =
        HostLimits::default();
    let span = humantime::format_duration;
    format!(
        "# Every key of Porthole's configuration, with its default: made by `porthole config reference`.
# A file needs only what differs. `porthole config check FILE` says whether it would be taken; it is read at the start.

# Limits of every call. Each ends in an error that names its key.
limits:
  # Wall clock of a call; 500 ms of it are kept for the tool to finish with what it has. 10ms to 1h.
  timeout: {}
  # Time inside the component, without waiting for the cluster.
  cpu: {}
  # The component's memories and tables, 2Mi to 2Gi; one answer of the cluster may fill an eighth of it.
  memory: {}
  # Reads asked of the cluster.
  reads: {reads}
  # Bytes read from the cluster.
  readBytes: {}
  # Bytes of logs that the host searches, of which few reach the tool.
  logBytes: {}
  # Bytes of text to the caller, 256 or more.
  output: {}
  # Calls in flight, in all (1 to 1000) and of one account.
  concurrency: {concurrency}
  concurrencyPerCaller: {concurrency_per_caller}
  # SSE streams, in all and of one account.
  sessions: {sessions}
  sessionsPerCaller: {sessions_per_caller}
  # Memory of all calls together; one account may take half of it. A call that needs more waits a moment and is refused then.
  # Left out: three fifths of what the container's limit, or the machine, gives this process.
  # memoryTotal: 320Mi

tools:
  # Only these tools of the folder are served. Left out: all of them.
  # enabled: [namespaces_list, pods_list, pods_log]
  # These are not.
  disabled: []
  # Which declarations of reads wait for an operator: wider, those beyond what was approved, or served first, under the tool's
  # name, and versions lower than the last; always, those and every new name; none. Left out: wider; none with --demo.
  # approve: wider
  # File that remembers approvals over a restart, written by the host and by `porthole plugin approve --lock FILE`.
  # Left out: they last until the host ends.
  # lock: /var/lib/porthole/tools.lock
  # Approvals beside those of the lock, as `porthole plugin approve FILE` prints them; read again when this file changes.
  # With `kinds` (approve FILE --kinds) a tool that reads `*` has those alone; without, any kind, also those installed later.
  approved: []
  # Limits of one tool, over those of all: timeout, cpu, memory, reads, readBytes, logBytes, output.
  # pods_log:
  #   limits: {{timeout: 10s}}
  # Tools of registries: `porthole plugin pull --config FILE --into DIR` brings them into a folder, each as the last segment of
  # its image's name, before the server starts with --plugins DIR, or with --poll 5m beside it.
  #   image     registry/repository:tag or @digest, or oci:/FOLDER@digest, a folder in OCI layout
  #   digest    of the manifest, in place of @digest
  #   signedBy  names of trust.keys; one of them must have signed the digest (cosign sign --key, plugin push --key)
  #   poll      5m; with `network` alone: the server itself asks the registry in this interval, and follows a tag to what signedBy
  #             has signed
  sources: []
  # sources:
  # - {{image: \"registry.example.com/tools/certs:1\", signedBy: [platform]}}
  # Whether the server itself may ask registries: then it holds their credentials, and needs a way out.
  network: false

# Whom `porthole plugin pull` trusts.
trust:
  # Public keys by name: files in PEM, ECDSA P-256 or Ed25519. No other key is believed, whatever a signature brings with it.
  keys: {{}}
  # keys: {{platform: /etc/porthole/platform.pub}}
  # What each source must have: signature; digest, or a signature (a tag alone would let whoever can write to the registry
  # decide what runs); or none.
  require: digest
  # Digests of manifests or of tools that are never used, and are removed from the folder.
  revoked: []

# How registries are reached; one that is not named, by https, with the authorities of the system and without an account.
#   host          as in the image, with its port
#   caFile        certificate authorities (PEM) in place of the system's; the image of Porthole has none
#   dockerConfig  a config.json of Docker with credentials (auths)
#   insecure      plain HTTP; on loopback only
registries: []
# registries:
# - {{host: registry.example.com, caFile: /etc/porthole/ca.pem, dockerConfig: /etc/porthole/registry/.dockerconfigjson}}

# Kinds that no tool may read, whoever asks, by any name that reading takes: secrets, Secret, cm, deploy, deployments.apps,
# certificates.cert-manager.io, pods/log, nodes/proxy, or a whole group. A name that is none is an error.
# Closing pods closes pods/log, closing secrets closes helm_list, closing events both of their groups. It does not close
# what others say of the same thing: pods.metrics.k8s.io beside pods, endpointslices beside endpoints.
denied: []
# denied: [secrets, \"*.rbac.authorization.k8s.io\"]

# To what callers are narrowed, beyond their own rights. Every rule that names a caller applies; what all of them leave is
# open to it. A list that is left out does not narrow, an empty one leaves nothing. tools/list shows what is open.
#   callers     groups and users as `kubectl auth whoami` tells them; left out: everybody
#   tools       names of tools
#   namespaces  kinds without a namespace are closed then, unless `kinds` of the rule names them
#   kinds       named as in `denied`; pods does not open pods/log
# porthole policy explain --config FILE --as USER --group GROUP --tool TOOL says what applies, and why.
policy: []
# policy:
# - callers: {{groups: [\"system:serviceaccounts:mcp-tools\"], users: [\"system:serviceaccount:dify:agent\"]}}
#   tools: [pods_list, pods_log, events_list]
#   namespaces: [shop, shop-staging]
#   kinds: [pods, pods/log, events]
# Callers that no rule names: allow, they are not narrowed; deny, they may call nothing.
policyDefault: allow

# What the host masks before a search or a tool sees it.
redact:
  # Secrets in logs of pods and nodes, and in messages of Events and Pods, by their form: tokens, private keys, values of
  # password=, token= and their like. mask, each is <masked: KIND>; off, they are handed out as they were written.
  logs: mask
  # Values of objects that are masked, each with all below it: kinds as in `denied`, paths like data.password or
  # spec.containers[].args; 128 paths at most. Fields, conditions, searches and tables see <masked: configured>, and a selector of
  # such a field is refused. A kind that repeats the value (pods and replicasets of a Deployment) is named as well.
  paths: []
  # paths: [{{kinds: [configmaps], paths: [data.password]}}]
  # Values of environment variables whose names look like credentials (PASSWORD, TOKEN, SECRET, KEY and their like), in every
  # `env` list of every kind, and credentials by their form in the values of others. `valueFrom` stays. mask or off.
  env: off

# Where a name without a namespace is looked for first: what is not there is looked for everywhere. Also the namespace of
# calls that need one and name none. Left out: the namespace of the kubeconfig's context; in a pod, which has none, names are
# looked for everywhere at once, and the other calls read the pod's own namespace.
# defaultNamespace: shop

# Namespaces to try for callers who may not list all of them, before their own and `default`; 50 at most.
namespaces: []

# Questions that a client offers to people. A folder of Markdown files with front matter takes the place of those built in;
# an empty one offers none. They are read at the start.
prompts: {{}}
# prompts:
#   folder: /etc/porthole/prompts

audit:
  # While audit lines cannot be written (a full disk, a pipe that nobody reads): refuse, no call begins;
  # drop, lines are dropped and counted (porthole_audit_dropped_total).
  onFailure: refuse

# The operator's port, where it listens elsewhere than on loopback: its page shows everybody's calls.
admin:
  # The right in the cluster that a visitor's own token must have; asked by an access review.
  requires:
    verb: get
    group: apps
    resource: deployments
    name: porthole
    # The namespace that Porthole runs in, unless another is named.
    # namespace: mcp-tools
",
        span(timeout),
        span(cpu),
        Bytes(memory),
        Bytes(read_bytes),
        Bytes(log_bytes),
        Bytes(u64::from(output)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_reference_is_a_file_of_defaults_that_names_every_key() {
        assert_eq!(Config::parse(&render()).unwrap(), Config::default());
        let keys = keys(&[]);
        assert!(keys.len() > 20 && keys.iter().any(|key| key == "readBytes"), "{keys:?}");
        for key in keys {
            assert!(render().contains(&format!("{key}:")), "{key} is not in the reference");
        }
        assert_eq!((Bytes(32 << 10).to_string(), Bytes(1000).to_string()), ("32Ki".into(), "1000".into()));
    }

    /// Every key below `path`, out of the parser's own error about a key that is none.
    fn keys(path: &[&str]) -> Vec<String> {
        const NO_KEY: &str = "frob";
        // Keys of signatures have the operator's names.
        if path == ["trust", "keys"] {
            return Vec::new();
        }
        let text =
            path.iter().rev().fold(format!("{{{NO_KEY}: 1}}"), |text, key| format!("{{{key}: {text}}}"));
        let error = Config::parse(&text).unwrap_err();
        let mut found: Vec<String> =
            match error.split_once(&format!("unknown field `{NO_KEY}`, expected one of ")) {
                Some((_, expected)) => {
                    let expected = expected.lines().next().unwrap_or_default();
                    // The last key may be followed by its place in the text.
                    expected
                        .split(", ")
                        .filter_map(|key| key.split_whitespace().next())
                        .map(str::to_owned)
                        .collect()
                }
                // Tools have names of their own here, so an unknown one is a tool and not an error.
                None if path == ["tools"] => {
                    let of_a_tool = keys(&["tools", NO_KEY]);
                    let all = ["enabled", "disabled", "approve", "lock", "approved", "sources", "network"];
                    return all.map(str::to_owned).into_iter().chain(of_a_tool).collect();
                }
                None => return Vec::new(),
            };
        for key in found.clone() {
            found.extend(keys(&[path, &[&key]].concat()));
        }
        found
    }

    #[test]
    fn the_reference_in_deploy_is_this_one() {
        let shipped = include_str!("../../../../deploy/porthole.yaml");
        assert_eq!(shipped, render(), "cargo run -p porthole -- config reference > deploy/porthole.yaml");
    }
}
