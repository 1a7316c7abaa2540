#!/bin/sh
# The service's user, as the distributions' caddy makes it, and the service itself, which is started at the first installation alone.
set -e

if ! getent group caddy >/dev/null; then
	groupadd --system caddy
fi
if ! getent passwd caddy >/dev/null; then
	useradd --system --gid caddy --home-dir /var/lib/caddy --shell /usr/sbin/nologin --comment "Caddy web server" caddy
fi
# Secrets: systemd reads it as root, and hands them to the service.
if [ ! -e /etc/caddy/pay.env ]; then
	(umask 077 && : >/etc/caddy/pay.env)
fi

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
# deb says "configure" and the version that was there before, rpm how many are installed.
if [ "$1" = configure ] && [ -z "$2" ] || [ "$1" = 1 ]; then
	systemctl enable --now caddy.service
else
	systemctl try-restart caddy.service
fi
