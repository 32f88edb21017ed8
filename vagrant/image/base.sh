#!/usr/bin/env bash
# Makes the base image baton-lab-base:FLAVOUR out of Debian packages, without a container registry.
# usage: base.sh FLAVOUR    (a Debian release)
set -Eeuo pipefail

flavour=$1

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
# A mirror that is updated less than once a week has an index of sid that is past its date. The image keeps the setting.
if [[ $flavour == sid ]]; then
    options+=(--aptopt='Acquire::Check-Valid-Until "false"')
fi

# The checksum lets `lab` see that this script did not change since.
checksum=$(sha256sum "$0" | cut -c1-16)
mmdebstrap "${options[@]}" "$flavour" - |
    docker import --change "LABEL baton.inputs=$checksum" - "baton-lab-base:$flavour"
