#!/usr/bin/env bash
# Unpacks baton, as staged by `make install DESTDIR=...`, onto this node.
# BATON_TAR: the archive of the staged tree; default: standard input.
set -Eeuo pipefail

# /lib and /sbin are links on Debian and must stay links.
tar --extract --file "${BATON_TAR:--}" --directory / \
    --no-same-owner --no-overwrite-dir --keep-directory-symlink
