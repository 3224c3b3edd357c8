//! Network of a node: a bridge in the first's network, with a link to that of each further one. There is no default
//! route, so nothing outside is reached, and refusals are immediate.

use anyhow::Result;

use super::{
    files::SERVICES,
    member::{Member, address},
    run,
};

/// Bridge between the nodes.
const BRIDGE: &str = "node0";

/// Gives the first node its address.
pub(super) fn begin(first: &Member) -> Result<()> {
    ip("link set lo up")?;
    ip(&format!("link add {BRIDGE} type bridge"))?;
    configure(first, BRIDGE)
}

/// Makes the network of a further node, and its link. Called in the network of the first.
pub(super) fn connect(further: &Member) -> Result<()> {
    let name = further.name();
    ip(&format!("netns add {name}"))?;
    ip(&format!("link add name {name} master {BRIDGE} type veth peer name eth0 netns {name}"))?;
    ip(&format!("link set {name} up"))?;
    route(further)
}

/// Gives a further node its address. Called in its network.
pub(super) fn join(further: &Member) -> Result<()> {
    ip("link set lo up")?;
    configure(further, "eth0")?;
    let others = Member::all(further.cluster());
    others.iter().filter(|other| other.number() != further.number()).try_for_each(route)
}

fn configure(member: &Member, device: &str) -> Result<()> {
    ip(&format!("address add {}/24 dev {device}", member.address()))?;
    ip(&format!("link set {device} up"))?;
    // Packets to a Service need a route before their address is translated.
    ip(&format!("route add {SERVICES} dev {device}"))?;
    Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
}

/// Leads to the pods of another node.
fn route(other: &Member) -> Result<()> {
    ip(&format!("route add {} via {}", other.pods(), address(other.number())))
}

fn ip(arguments: &str) -> Result<()> {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    run("ip", &arguments).map(|_| ())
}
