#!/usr/bin/env bash
# Writes corosync.conf and the key for the members of this lab.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=members.sh
. "${BASH_SOURCE%/*}/members.sh"

node_list() {
    local i
    for i in "${!members[@]}"; do
        cat <<NODE
    node {
        nodeid: $((i + 1))
        name: ${members[i]%%=*}
        ring0_addr: ${members[i]#*=}
    }
NODE
    done
}

# Two nodes cannot outvote each other: two_node lets one go on alone once both have been seen.
quorum_rule() {
    if ((${#members[@]} == 2)); then
        echo "two_node: 1"
    else
        echo "wait_for_all: 0"
    fi
}

write_key() {
    install -m 400 /dev/null /etc/corosync/authkey
    printf %s "$LAB_KEY" >/etc/corosync/authkey
}

# token 1000 with coefficient 0: a lost node is declared after 2.2 s (token plus 1.2 x token for consensus).
write_configuration() {
    cat >/etc/corosync/corosync.conf <<CONF
totem {
    version: 2
    cluster_name: $LAB_NAME
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 1000
    token_coefficient: 0
}
quorum {
    provider: corosync_votequorum
    $(quorum_rule)
}
logging {
    to_syslog: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    timestamp: hires
}
nodelist {
$(node_list)
}
CONF
}

node_number >/dev/null
# From sid on, these come with the unit.
mkdir -p /var/lib/corosync /var/log/corosync
write_key
write_configuration
