#!/usr/bin/env bash
# Installs baton, as staged by `make install DESTDIR=...`, on this node.
# BATON_TAR: the archive of the staged tree; default: standard input.
set -Eeuo pipefail

stage=$(mktemp --directory)
trap 'rm -rf "$stage"' EXIT
tar --extract --file "${BATON_TAR:--}" --directory "$stage" --no-same-owner

# Only files and links: tar makes a directory that exists private while it works in it, and if that is / or /usr,
# servers that run under another user fail. /lib and /sbin are links on Debian and must stay links.
cd "$stage"
find . ! -type d -print0 |
    tar --create --null --files-from - |
    tar --extract --directory / --keep-directory-symlink
