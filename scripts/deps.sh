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
python3 -c 'import sqlite3' 2>/dev/null || missing="$missing python3"
command -v javac >/dev/null || missing="$missing default-jdk-headless"
command -v curl >/dev/null || missing="$missing curl"
command -v openssl >/dev/null || missing="$missing openssl"
command -v spin >/dev/null || missing="$missing spin"
command -v chromium >/dev/null || missing="$missing chromium fonts-noto-cjk"
set -- /usr/lib/postgresql/*/bin/initdb
[ -x "$1" ] || command -v initdb >/dev/null || missing="$missing postgresql"
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing="$missing nginx-light"
[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || missing="$missing pgbouncer"
if [ "$(uname)" = Linux ]; then
	command -v strace >/dev/null || missing="$missing strace"
	command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
	command -v rpm >/dev/null || missing="$missing rpm"
fi
promtool=""
command -v promtool >/dev/null || promtool=" promtool"
[ -z "$missing$promtool" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$missing$promtool"
	apt-get update -qq
	made=""
	trap 'rm -rf $made' EXIT
	policy=/usr/sbin/policy-rc.d # the tests start what they need: nothing that is installed begins to run and to listen
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
		made=$policy
	fi
	# shellcheck disable=SC2086
	[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	[ -n "$promtool" ] || exit 0
	# Of the package prometheus the one program alone: the rest is a server.
	dir=$(mktemp -d)
	made="$made $dir"
	(cd "$dir" && apt-get -o APT::Sandbox::User=root download -qq prometheus && dpkg-deb -x prometheus_*.deb . && install -m 755 usr/bin/promtool /usr/local/bin/promtool)
	exit 0
fi
echo "the tests need:$missing$promtool; install them, or run as root on Debian" >&2
exit 1
