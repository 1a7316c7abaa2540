#!/bin/sh
# Installs what the tests need beside Go, on Debian as root; elsewhere it says what is missing.
set -eu

missing=""
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
php -m 2>/dev/null | grep -qx pdo_sqlite || missing="$missing php-cli php-sqlite3"
set -- /usr/sbin/php-fpm*
[ -x "$1" ] || missing="$missing php-fpm"
command -v curl >/dev/null || missing="$missing curl"
command -v openssl >/dev/null || missing="$missing openssl"
command -v spin >/dev/null || missing="$missing spin"
command -v chromium >/dev/null || missing="$missing chromium fonts-noto-cjk"
[ "$(uname)" != Linux ] || command -v strace >/dev/null || missing="$missing strace"
promtool=""
command -v promtool >/dev/null || promtool=" promtool"
[ -z "$missing$promtool" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$missing$promtool"
	apt-get update -qq
	# shellcheck disable=SC2086
	[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	[ -n "$promtool" ] || exit 0
	# Of the package prometheus the one program alone: installed whole it would begin to run and to listen.
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	(cd "$dir" && apt-get -o APT::Sandbox::User=root download -qq prometheus && dpkg-deb -x prometheus_*.deb . && install -m 755 usr/bin/promtool /usr/local/bin/promtool)
	exit 0
fi
echo "the tests need:$missing$promtool; install them, or run as root on Debian" >&2
exit 1
