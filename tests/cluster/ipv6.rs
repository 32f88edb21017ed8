//! A second floating address, of the other family: the servers of the lab know IPv4 only, so each node has a relay.

use crate::lab::{Lab, Node, Result};

/// Ends with its node; a node that booted anew serves IPv4 only.
const RELAY: &str = "setsid socat TCP6-LISTEN:3306,ipv6only=1,reuseaddr,fork TCP4:127.0.0.1:3306 \
    </dev/null >/dev/null 2>&1 &";
/// The address follows the primary, as in crm-examples/address-dual-stack.crm. `$1` is the address.
const BRING: &str = r#"
    crm configure load update - <<END
primitive db-ip6 ocf:baton:floating-ip params ip="$1" nic=eth0 cidr_netmask=64 nodad=true \
    op start timeout=20s interval=0s op stop timeout=20s interval=0s op monitor interval=2s timeout=10s
colocation db-ip6-with-primary inf: db-ip6 db-clone:Promoted
order db-ip6-after-promotion Mandatory: db-clone:promote db-ip6:start
END
    crm_resource --wait --timeout 20"#;
/// For the end of an act. Pacemaker stops what is no longer configured.
pub(crate) const REMOVE: &str = "crm --force configure delete db-ip6-with-primary db-ip6-after-promotion db-ip6";

/// Brings the address to the primary; returns it.
pub(crate) fn bring(lab: &Lab) -> Result<String> {
    for node in Node::ALL {
        lab.exec(node, &["sh", "-c", RELAY])?;
    }
    let address = lab.floating_address6();
    lab.exec_anywhere(&["sh", "-ec", BRING, "sh", &address])?;
    Ok(address)
}
