#!/usr/bin/env bash
# Makes the base image baton-lab-base:FLAVOUR out of Debian packages, without a container registry.
# usage: base.sh FLAVOUR SUITE
set -Eeuo pipefail

flavour=$1
suite=$2

options=(
    --variant=minbase
    # The image is thrown away and made again: no need to sync each file, nobody reads manuals in it.
    --dpkgopt=force-unsafe-io
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-include=/usr/share/doc/*/copyright'
    --aptopt='APT::Install-Recommends "false"'
)
# The index of sid is often older than its own expiry date on mirrors and caches.
if [[ $suite == sid ]]; then
    options+=(--aptopt='Acquire::Check-Valid-Until "false"')
fi

# The checksum lets `lab` see that this script did not change since.
checksum=$(sha256sum "$0" | cut -c1-16)
mmdebstrap "${options[@]}" "$suite" - |
    docker import --change "LABEL baton.inputs=$checksum" - "baton-lab-base:$flavour"
