#!/usr/bin/env bash
# Makes the nodes known by name on a virtual machine. In a container Docker does this.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=members.sh
. "${BASH_SOURCE%/*}/members.sh"

# A node must not take its own name for a loopback address.
sed -i -e '/^127\.0\.[12]\.1\s/d' -e '/# baton-lab$/d' /etc/hosts
for member in "${members[@]}"; do
    echo "${member#*=} ${member%%=*} # baton-lab" >>/etc/hosts
done
