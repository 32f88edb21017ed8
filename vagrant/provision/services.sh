#!/usr/bin/env bash
# Starts the cluster on a virtual machine. In a container entry.sh does this.
set -Eeuo pipefail

systemctl enable --now corosync.service pacemaker.service
