//! The parameters of the agent: one table. Names and meanings are those of ocf:heartbeat:IPaddr2, so that a resource is
//! switched by a change of its type; what that agent has and this one leaves out is refused by name.

use crate::error::{Error, Result};
use crate::ocf::params::{Kind, Param, Params};

pub(crate) const PARAMS: &[Param] = &[
    Param::new("ip", Kind::Text, "").required(),
    Param::new("nic", Kind::Text, ""),
    Param::new("cidr_netmask", Kind::Text, "").alias("netmask"),
    Param::new("broadcast", Kind::Text, "+"),
    Param::new("iflabel", Kind::Text, ""),
    Param::new("arp_count", Kind::Integer, "6").reloadable(),
    Param::new("arp_interval", Kind::Integer, "").reloadable(),
    Param::new("arp_bg", Kind::Boolean, "true").reloadable(),
    Param::new("arp_count_refresh", Kind::Integer, "0").reloadable(),
    Param::new("announce_to", Kind::Text, "").reloadable(),
    Param::new("run_arping", Kind::Boolean, "false").reloadable(),
    Param::new("nodad", Kind::Boolean, "false").reloadable(),
    Param::new("noprefixroute", Kind::Boolean, "false"),
    Param::new("preferred_lft", Kind::Text, "forever"),
    Param::new("network_namespace", Kind::Text, ""),
    Param::new("check_link_status", Kind::Boolean, "true").reloadable(),
    Param::new(
        "reset_connections",
        Kind::Choice(&["kernel", "packets", "no"]),
        "kernel",
    )
    .reloadable(),
    Param::new("provider", Kind::Text, "local"),
    Param::new("token_file", Kind::Path, "").reloadable(),
    Param::new("server_id", Kind::Integer, "").reloadable(),
    Param::new("api_url", Kind::Text, "").reloadable(),
    Param::new("metadata_url", Kind::Text, "").reloadable(),
    Param::new("ssl_cacert", Kind::Path, "").reloadable(),
    Param::new("arp_sender", Kind::Text, "").reloadable(),
    Param::new("send_arp_opts", Kind::Text, "").reloadable(),
    Param::new("flush_routes", Kind::Boolean, "false").reloadable(),
    Param::new("proto", Kind::Text, "").reloadable(),
    Param::new("lvs_support", Kind::Boolean, "false"),
    Param::new("lvs_ipv6_addrlabel", Kind::Boolean, "false"),
    Param::new("lvs_ipv6_addrlabel_value", Kind::Text, ""),
    Param::new("clusterip_hash", Kind::Text, ""),
    Param::new("clusterip_firewall", Kind::Text, ""),
    Param::new("unique_clone_address", Kind::Boolean, "false"),
    Param::new("mac", Kind::Text, ""),
];

/// What this agent leaves out, with the reason. A value that asks for nothing ("false", or none) is accepted.
const LEFT_OUT: [(&str, &str); 7] = [
    (
        "lvs_support",
        "is not supported: a virtual server's real nodes keep the address on lo for good, which is no floating address; \
         use ocf:heartbeat:IPaddr2 for it",
    ),
    (
        "lvs_ipv6_addrlabel",
        "is not supported: address labels belong to the virtual servers of IPaddr2; to keep the address from being a \
         source address, set preferred_lft=0",
    ),
    (
        "lvs_ipv6_addrlabel_value",
        "is not supported: see lvs_ipv6_addrlabel; to keep the address from being a source address, set preferred_lft=0",
    ),
    ("clusterip_hash", LOAD_SHARING),
    ("clusterip_firewall", LOAD_SHARING),
    ("unique_clone_address", LOAD_SHARING),
    ("mac", LOAD_SHARING),
];
const LOAD_SHARING: &str = "is not supported: one address shared by several nodes at the same time needs a multicast \
    hardware address, which routers ignore, and the iptables target that it used is gone from the kernel; run one address \
    for each node, or a load balancer";

/// Refuses what asks for something that this agent leaves out.
pub(crate) fn refuse_left_out(params: Params<'_>) -> Result<()> {
    for (name, why) in LEFT_OUT {
        let value = params.text(name).unwrap_or_default();
        let asks = !["", "0", "false", "no", "off", "n"].contains(&value.to_ascii_lowercase().as_str());
        if asks {
            return Err(Error::parameter(name, value, why));
        }
    }
    Ok(())
}
