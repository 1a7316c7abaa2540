#!/bin/sh
case $1 in
remove) deb-systemd-helper mask caddy.service ;;
purge)
	deb-systemd-helper unmask caddy.service
	rm -rf /etc/caddy /var/lib/caddy
	;;
esac
systemctl daemon-reload
