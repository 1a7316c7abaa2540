#!/bin/sh
# Run by systemd in a container of its own: the deb takes the place of the distribution's caddy, takes a payment as its unit runs it, is killed, and takes
# another; then the rpm does the same.
set -eux
trap 'status=$?; [ $status = 0 ] || journalctl -u caddy --no-pager | tail -50; echo $status >/caddypay-test/status; systemctl --no-block exit $status || true' EXIT

wait_for() { # a command that succeeds in the end
	i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 120 ] || return 1
		sleep 0.5
	done
}
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -1; }
pay() {
	session=$(curl -sS --fail-with-body "http://127.0.0.1/pay/openid?code=sandbox-$1" | field session)
	charge=$(curl -sS --fail-with-body http://127.0.0.1/pay/charges -H "X-Pay-Session: $session" -H 'Content-Type: application/json' -d "{\"order_no\":\"$1\",\"channel\":\"wx_lite\"}" | tr ',' '\n' | field id)
	curl -sS --fail-with-body -X POST "http://127.0.0.1:8484/sandbox/charges/$charge/pay" >/dev/null
}
as_caddy() { setpriv --reuid=caddy --regid=caddy --clear-groups "$@"; }
ready() { as_caddy caddy pay health --ready --address unix//run/caddy/admin.sock; }
delivered() { as_caddy caddy pay orders show "$1" --json --address unix//run/caddy/admin.sock | tee /dev/stderr | grep -q '"state": *"delivered"'; }

runs() { systemctl is-active caddy && systemctl is-enabled caddy; }
site() { curl -sS --fail http://127.0.0.1/ | grep -q "$1"; }

dpkg --install /caddypay-test/distribution.deb
runs
printf ':80 {\n\trespond "the site that was here"\n}\n' >/etc/caddy/Caddyfile
dpkg --install --force-confold /caddypay-test/caddypay.deb
runs
wait_for site "the site that was here"
! ready # no site takes payments yet

cd /etc/caddy
caddy pay keygen signing_key --out merchant.pem
caddy pay keygen signing_key --out sandbox.pem
chown caddy: ./*.pem
{
	echo "PAY_BACKEND_TOKEN=$(caddy pay keygen token)"
	echo WECHAT_SECRET=0123456789abcdef0123456789abcdef
} >pay.env
cp /caddypay-test/Caddyfile Caddyfile
systemctl restart caddy # environment is read at a start
wait_for ready

pay before1
wait_for delivered before1
pid=$(systemctl show --property MainPID --value caddy)
kill -9 "$pid"
wait_for ready
[ "$(systemctl show --property MainPID --value caddy)" != "$pid" ]
pay after2
wait_for delivered after2
delivered before1

systemctl reload caddy
ready
# What the unit closes: nobody else reads the ledger, and the service writes nowhere but where it may.
[ "$(stat -c %a /var/lib/caddy)" = 700 ]
! setpriv --reuid=nobody --regid=nogroup --clear-groups ls /var/lib/caddy
[ "$(cat "/proc/$(systemctl show --property MainPID --value caddy)/status" | sed -n 's/^CapEff:\t*//p')" = 0000000000000400 ]

# What was there before is wiped away, and takes nothing with it; nor does this package when it goes.
ledger=/var/lib/caddy/.local/share/caddy/pay/ledger.db
dpkg --purge caddy
runs
ready
[ -s $ledger ] && [ -s merchant.pem ] && [ -s Caddyfile ]
dpkg --remove caddypay
! systemctl is-active caddy
[ -s $ledger ] && [ -s merchant.pem ] && [ -s Caddyfile ]

# Where the port is taken it is installed all the same, and begins once the port is free.
python3 -m http.server 80 &
wait_for curl -sS --fail -o /dev/null http://127.0.0.1/
dpkg --install /caddypay-test/caddypay.deb
[ "$(dpkg-query --show --showformat='${db:Status-Status}' caddypay)" = installed ]
kill $!
wait_for ready
systemctl is-enabled caddy
dpkg --purge caddypay
! systemctl is-active caddy
[ -s $ledger ] && [ -s merchant.pem ]

# --nodeps: the shell that the scripts want is this machine's, not an rpm.
rpm --install --nodeps /caddypay-test/distribution.rpm
runs
printf ':80 {\n\trespond "the site that was here"\n}\n' >Caddyfile
rpm --upgrade --nodeps /caddypay-test/caddypay.rpm
runs
wait_for site "the site that was here"
! rpm --query caddy
cp /caddypay-test/Caddyfile Caddyfile
systemctl restart caddy
wait_for ready
delivered after2
systemctl disable --now caddy
rpm --upgrade --nodeps --force /caddypay-test/caddypay.rpm # a new version leaves a service that is off as it is
! systemctl is-active caddy
! systemctl is-enabled caddy
cmp Caddyfile /caddypay-test/Caddyfile
systemctl enable --now caddy
wait_for ready
rpm --erase --nodeps caddypay
! systemctl is-active caddy
[ -s $ledger ] && [ -s merchant.pem ]
