#!/usr/bin/env bash
# Replaces the running cluster's configuration by a crmsh file, in one step.
# usage: load.sh FILE
#
# `crm configure load replace` refuses while resources run and forgets the cluster's own properties. So the new
# configuration is made in a copy: what an operator configures is taken out, the file is loaded, and the copy goes
# back as a whole. Nodes, their attributes and property sets that agents keep stay as they are.
set -Eeuo pipefail

work=$(mktemp --suffix .xml)
trap 'rm -f "$work" "$work.sig"' EXIT

# What Pacemaker itself records, and the lab's own setting.
kept='@name="dc-version" or @name="cluster-infrastructure" or @name="cluster-name" or @name="have-watchdog" or @name="dc-deadtime"'
configured=(
    '/cib/status/*'
    '/cib/configuration/resources/*'
    '/cib/configuration/constraints/*'
    '/cib/configuration/fencing-topology'
    '/cib/configuration/rsc_defaults'
    '/cib/configuration/op_defaults'
    '/cib/configuration/tags'
    '/cib/configuration/alerts'
    '/cib/configuration/acls'
    "/cib/configuration/crm_config/cluster_property_set[@id='cib-bootstrap-options']/nvpair[not($kept)]"
)

cibadmin --query >"$work"
for xpath in "${configured[@]}"; do
    CIB_file=$work cibadmin --delete-all --force --xpath "$xpath"
done
CIB_file=$work crm configure load update "$1"
cibadmin --replace --scope configuration --xml-file <(xmllint --xpath /cib/configuration "$work")
