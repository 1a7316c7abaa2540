#!/bin/sh
# The service's user, as the distributions' caddy makes it, and the service itself.
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
[ "$1" = configure ] || exit 0 # an rpm goes on in posttrans.sh

# The deb caddy that had to go masked the service, and its purge would delete /etc/caddy and /var/lib/caddy, keys and ledger with them. They are this
# package's now, so that purge has nothing left to run.
if [ "$(dpkg-query --show --showformat='${db:Status-Status}' caddy 2>/dev/null)" = config-files ]; then
	rm -f "$(dpkg-query --control-path caddy postrm)"
	[ ! -x /usr/bin/deb-systemd-helper ] || deb-systemd-helper unmask caddy.service >/dev/null
fi

# An upgrade leaves a service that is off as it is. One that does not start, since something else has its port, is no package that is not installed.
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -e /run/caddypay.installed ]; then action="enable --now"; else action=try-restart; fi
rm -f /run/caddypay.installed
systemctl $action caddy.service || echo "caddypay: the service does not run; journalctl -u caddy says why" >&2
