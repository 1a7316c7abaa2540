#!/bin/sh
# Stopped when it goes for good, not when a newer one comes. deb says "remove", rpm that none is left.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	[ ! -d /run/systemd/system ] || systemctl disable --now caddy.service || true
fi
