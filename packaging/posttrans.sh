#!/bin/sh
# The service of an rpm, at the end of all: a package caddy whose place it takes stops and disables the service when it goes, and that is after
# postinstall.sh, which says the rest.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -e /run/caddypay.installed ]; then action="enable --now"; else action=try-restart; fi
rm -f /run/caddypay.installed
systemctl $action caddy.service || echo "caddypay: the service does not run; journalctl -u caddy says why" >&2
