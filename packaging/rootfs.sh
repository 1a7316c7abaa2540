#!/bin/sh
# Lays out all that the container image holds: rootfs.sh <caddy> <folder>. Nothing else is in it, no shell and no package, and its user is 1000.
set -eu
binary=$1 root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/caddy" "$root/data" "$root/config" "$root/run/caddy" "$root/tmp"
install -m 755 "$binary" "$root/usr/bin/caddy"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -m 644 packaging/Caddyfile "$root/etc/caddy/Caddyfile"
echo 'caddy:x:1000:1000:Caddy:/data:/sbin/nologin' >"$root/etc/passwd"
echo 'caddy:x:1000:' >"$root/etc/group"
chmod 1777 "$root/tmp"
chown 1000:1000 "$root/data" "$root/config" "$root/run/caddy"
chmod 700 "$root/data" "$root/config"
