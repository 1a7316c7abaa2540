package caddymodule

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// goodSite is a site that provisions. File names in capitals are filled in.
const goodSite = `shop.example.com, www.shop.example.com {
	pay {
		pingpp {
			app app_test1
			key sk_test_Mark0123456789
			signing_key MERCHANT
			webhook_key PINGPP
		}
		wechat wx_lite {
			app_id wx0123456789abcdef
			secret Mark0123456789abcdef0123456789ab
		}
		session {
			ttl 2h
		}
		upstream legacy:8080
		backend_token token-Mark-0123456789abcdefghijkl
		orders GET /internal/pay/orders/{order_no}
		events POST /internal/pay/events {
			timeout 15s
		}
	}
}
`

// fill puts the names of key files into a Caddyfile.
func fill(t testing.TB, dir, file string) string {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	private := privatePEM(merchantKey())
	t.Setenv("TEST_BARE_KEY", strings.Join(strings.Split(strings.TrimSpace(private), "\n")[1:26], ""))
	t.Setenv("TEST_BROKEN_KEY", strings.Replace(private, "PRIVATE KEY", "PRIVATE", 2)[11:])
	t.Setenv("TEST_PRIVATE_KEY", private)
	t.Setenv("TEST_OWN_KEY", publicPEM(merchantKey()))
	t.Setenv("TEST_ROOT", "/?s=")
	t.Setenv("TEST_BLANK", "  \n")
	t.Setenv("TEST_CHANNEL", "wx_lite")
	t.Setenv("TEST_PATH", "{orderno}")
	t.Setenv("TEST_TYPE", "charge.succeeded")
	return strings.NewReplacer(
		"MERCHANT", write(t, dir, "merchant.pem", private),
		"PINGPP", write(t, dir, "pingpp.pub.pem", publicPEM(pingppKey())),
		"EC_KEY", write(t, dir, "ec.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))),
		"NO_PEM", write(t, dir, "no.pem", "Mark, this is no key"),
		"EMPTY", write(t, dir, "empty.pem", ""),
		"ABSENT", filepath.Join(dir, "absent.pem"),
		"FOLDER", dir,
	).Replace(file)
}

var placeAtEnd = regexp.MustCompile(`, at Caddyfile:(\d+)$`)

// lineOf is the first word on the line of the Caddyfile that an error names at its end.
func lineOf(t *testing.T, file string, err error) string {
	t.Helper()
	m := placeAtEnd.FindStringSubmatch(err.Error())
	if m == nil {
		t.Fatalf("%v\nnames no line", err)
	}
	return strings.Fields(strings.Split(file, "\n")[must(strconv.Atoi(m[1]))-1])[0]
}

func TestProvisionErrors(t *testing.T) {
	elsewhere := map[string]string{ // what stands on the line that is named, where it is not the option: what is wrong in a block, or the block that lacks it
		"publishable key": "key", "key of no mode": "key", "key and app swapped": "app", "app of another kind": "app",
		"live key over http": "endpoint", "endpoint with a path": "endpoint", "endpoint with a password": "endpoint",
		"wechat over http": "endpoint", "appid and secret swapped": "app_id", "authorize over http": "authorize",
		"orders without wechat": "pay", "orders without upstream": "pay", "prefix with a double slash": "pay", "prefix with a placeholder": "pay",
	}
	const page = "\t\tcheckout {\n\t\t\tchannels wx_pub_qr\n\t\t\treturn_url https://shop.example.com/orders\n\t\t}\n"
	orders, events := "orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events"
	for _, tc := range []struct {
		name, old, new string // what is written instead of what in goodSite
		option         string
		want           string
	}{
		{"unset app", "app app_test1", "app {env.TEST_UNSET}", "pingpp app", "{env.TEST_UNSET} resolves to nothing; set the variable"},
		{"unset key", "sk_test_Mark0123456789", "{env.TEST_UNSET}", "pingpp key", "{env.TEST_UNSET} resolves to nothing; set the variable"},
		{"a key of white space", "sk_test_Mark0123456789", "\" \"", "pingpp key", "is blank; write key {env.PINGPP_KEY}; the Ping++ dashboard"},
		{"half a key unset", "sk_test_Mark0123456789", "sk_test_Mark{env.TEST_UNSET}", "pingpp key", "{env.TEST_UNSET} resolves to nothing"},
		{"blank key", "sk_test_Mark0123456789", "{env.TEST_BLANK}", "pingpp key", "{env.TEST_BLANK} resolves to nothing"},
		{"missing key file", "sk_test_Mark0123456789", "{file.ABSENT}", "pingpp key", "resolves to nothing; set the variable in the environment of Caddy, or name a file"},
		{"unset secret", "Mark0123456789abcdef0123456789ab", "{env.TEST_UNSET}", "wechat wx_lite secret", "{env.TEST_UNSET} resolves to nothing"},
		{"unset appid", "wx0123456789abcdef", "{env.TEST_UNSET}", "wechat wx_lite app_id", "{env.TEST_UNSET} resolves to nothing"},
		{"unset token", "token-Mark-0123456789abcdefghijkl", "{env.TEST_UNSET}", "backend_token", "{env.TEST_UNSET} resolves to nothing"},
		{"unset events secret", "timeout 15s", "secret {env.TEST_UNSET}", "events secret", "{env.TEST_UNSET} resolves to nothing"},
		{"unset session key", "ttl 2h", "key {env.TEST_UNSET}", "session key", "{env.TEST_UNSET} resolves to nothing"},
		{"unset success_url", "upstream legacy:8080", "upstream legacy:8080\n\t\tsuccess_url {env.TEST_UNSET}", "success_url", "{env.TEST_UNSET} resolves to nothing"},
		{"unset PEM", "signing_key MERCHANT", "signing_key {env.TEST_UNSET}", "pingpp signing_key", "{env.TEST_UNSET} resolves to nothing"},
		{"unset path", "/internal/pay/events", "{env.TEST_UNSET}", "events", "{env.TEST_UNSET} resolves to nothing"},
		{"FastCGI without root", "upstream legacy:8080", "upstream php:9000 {\n\t\t\ttransport fastcgi {\n\t\t\t\tsplit .php\n\t\t\t}\n\t\t}", "upstream", "transport fastcgi needs a root here, since the site's root does not reach these calls; write root /srv/shop"},
		{"braces in a token", "token-Mark-0123456789abcdefghijkl", "token-{Mark}-0123456789abcdefghijkl", "backend_token", `no placeholder that is known here; write {env.NAME} or {file.NAME}, or \{ for a brace`},

		{"absent signing key", "MERCHANT", "ABSENT", "pingpp signing_key", "no such file or directory; name a PEM file that Caddy's user can read"},
		{"folder as signing key", "MERCHANT", "FOLDER", "pingpp signing_key", "is a directory"},
		{"no PEM", "MERCHANT", "NO_PEM", "pingpp signing_key", "PEM"},
		{"empty PEM", "PINGPP", "EMPTY", "pingpp webhook_key", "nothing is there: give a PEM file"},
		{"absent webhook key", "PINGPP", "PINGPP ABSENT", "pingpp webhook_key", "no such file or directory"},
		{"key without its lines", "MERCHANT", "{env.TEST_BARE_KEY}", "pingpp signing_key", "without its first and last line; put -----BEGIN … KEY-----"},
		{"key with broken lines", "MERCHANT", "{env.TEST_BROKEN_KEY}", "pingpp signing_key", "several lines but no PEM block"},
		{"public key as signing key", "MERCHANT", "PINGPP", "pingpp signing_key", "this is a public key: give the private key"},
		{"private key as webhook key", "PINGPP", "MERCHANT", "pingpp webhook_key", "this is a private key: give the public key of Ping++"},
		{"private key text as webhook key", "PINGPP", "{env.TEST_PRIVATE_KEY}", "pingpp webhook_key", "this is a private key"},
		{"own key as webhook key", "webhook_key PINGPP", "webhook_key {env.TEST_OWN_KEY}", "pingpp webhook_key", "is the public half of your own signing_key"},
		{"unknown type", "timeout 15s", "types {env.TEST_CHANNEL}", "events types", `there is no event "wx_lite" at Ping++; leave types out for all`},
		{"EC key", "MERCHANT", "EC_KEY", "pingpp signing_key", "this is an EC key"},

		{"publishable key", "sk_test_Mark0123456789", "pk_test_Mark0123456789", "pingpp", "publishable key (pk_…): give the secret key"},
		{"key of no mode", "sk_test_Mark0123456789", "sk_Mark0123456789", "pingpp", "neither sk_test_ nor sk_live_"},
		{"key and app swapped", "app app_test1\n\t\t\tkey sk_test_Mark0123456789", "app sk_test_Mark0123456789\n\t\t\tkey app_test1", "pingpp", "app is a key: give the app id"},
		{"app of another kind", "app_test1", "user_test1", "pingpp", "is not an app id"},
		{"live key over http", "key sk_test_Mark0123456789", "key sk_live_Mark0123456789\n\t\t\tendpoint http://pingxx.example", "pingpp", "would send a live key unencrypted: write https://pingxx.example"},
		{"endpoint with a path", "app app_test1", "app app_test1\n\t\t\tendpoint https://api.pingxx.com/v1", "pingpp", "endpoint has more than scheme and host"},
		{"endpoint with a password", "app app_test1", "app app_test1\n\t\t\tendpoint https://me:Mark@api.pingxx.com", "pingpp", "endpoint has more than scheme and host"},
		{"misspelt channel", "app app_test1", "app app_test1\n\t\t\tchannels wx_lit", "pingpp channels", `"wx_lit" is not a channel that is known here; write wx_lite`},
		{"unknown channel", "app app_test1", "app app_test1\n\t\t\tchannels wx_lite wx_nowhere", "pingpp channels", `"wx_nowhere" is not a channel that is known here; write alipay, `},

		{"wechat over http", "app_id wx0123456789abcdef", "app_id wx0123456789abcdef\n\t\t\tendpoint http://weixin.example", "wechat wx_lite", "would send the secret in the clear: use https"},
		{"appid and secret swapped", "app_id wx0123456789abcdef\n\t\t\tsecret Mark0123456789abcdef0123456789ab", "app_id Mark:0123456789abcdef0123456789ab\n\t\t\tsecret wx0123456789abcdef", "wechat wx_lite", "app_id is missing or not an AppID"},
		{"orders without wechat", "wechat wx_lite {\n\t\t\tapp_id wx0123456789abcdef\n\t\t\tsecret Mark0123456789abcdef0123456789ab\n\t\t}\n", "", "wechat wx_lite", "the block is missing: without it nobody can log in"},

		{"short token", "token-Mark-0123456789abcdefghijkl", "Mark", "backend_token", "must have at least 32 characters; make one with: openssl rand -hex 32"},
		{"token with spaces", "token-Mark-0123456789abcdefghijkl", `"token Mark 0123456789 abcdefghijklm"`, "backend_token", "must be printable ASCII without spaces"},
		{"token beyond ASCII", "token-Mark-0123456789abcdefghijkl", "token-Mark-0123456789-口令口令口令口令口令", "backend_token", "must be printable ASCII"},

		{"orders without upstream", "upstream legacy:8080\n", "\n", "upstream", "is missing: orders, events and logins are sent there; write upstream legacy:8080"},
		{"orders without order_no", "{order_no}", "all", "orders", "must hold {order_no} once, like /internal/pay/orders/{order_no}"},
		{"orders with order_no twice", "{order_no}", "{order_no}/{order_no}", "orders", "must hold {order_no} once"},
		{"orders with a fragment", orders, "orders GET /orders#{order_no}", "orders", "hold no fragment"},
		{"orders without a slash", orders, "orders GET orders/{order_no}", "orders", "must begin with one slash"},
		{"orders at another host", orders, "orders GET //evil.example/{order_no}", "orders", "must begin with one slash"},
		{"orders with a misspelt placeholder", orders, "orders GET /orders/{env.TEST_PATH}", "orders", "{orderno} is no placeholder here; write {order_no}"},
		{"events without a slash", events, "events POST internal", "events", "must begin with one slash"},
		{"events at the whole site", events, "events POST {env.TEST_ROOT}", "events", `the path "/?s=": it is closed to browsers, and nothing tells it apart from the rest of the site`},
		{"events with order_no", events, "events POST /events/{order_no}", "events", "may hold no placeholder of a request"},
		{"events with a bad escape", events, "events POST /events/%zz", "events", "must begin with one slash"},
		{"events without secret and token", "backend_token token-Mark-0123456789abcdefghijkl\n", "\n", "events", "needs a secret, or the site a backend_token"},
		{"secret of another kind", "timeout 15s", "secret Mark0123456789", "events secret", "does not begin with whsec_; write whsec_ and the base64"},
		{"secret cut short", "timeout 15s", "secret whsec_TWFyaw==", "events secret", "has 4 bytes; write whsec_"},
		{"secret not base64", "timeout 15s", "secret whsec_Mark-Mark-Mark-Mark-Mark-Mark-Mark", "events secret", "not standard base64"},
		{"second secret bad", "timeout 15s", "secret whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= whsk_Mark", "events secret", "asymmetric keys"},

		{"login without a token", "backend_token token-Mark-0123456789abcdefghijkl\n", "login POST /internal/pay/login\n", "login", "needs a backend_token: without one, anyone who reaches the backend could log in as anybody"},
		{"login of nobody", "wechat wx_lite {\n\t\t\tapp_id wx0123456789abcdef\n\t\t\tsecret Mark0123456789abcdef0123456789ab\n\t\t}\n\t\tsession {\n\t\t\tttl 2h\n\t\t}\n\t\tupstream legacy:8080\n\t\tbackend_token token-Mark-0123456789abcdefghijkl\n\t\torders GET /internal/pay/orders/{order_no}\n", "upstream legacy:8080\n\t\tbackend_token token-Mark-0123456789abcdefghijkl\n\t\tlogin POST /internal/pay/login\n", "login", "needs a WeChat account whose users log in; write wechat wx_lite { app_id …  secret … }, each on its own line, or leave login out"},
		{"login without a slash", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tlogin POST login\n", "login", "must begin with one slash and hold no fragment, like /internal/pay/login"},
		{"login with order_no", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tlogin POST /login/{order_no}\n", "login", "may hold no placeholder of a request"},
		{"unset official secret", "upstream legacy:8080\n", "upstream legacy:8080\n\t\twechat wx_pub {\n\t\t\tapp_id wx2\n\t\t\tsecret {env.TEST_UNSET}\n\t\t}\n", "wechat wx_pub secret", "{env.TEST_UNSET} resolves to nothing"},
		{"authorize over http", "upstream legacy:8080\n", "upstream legacy:8080\n\t\twechat wx_pub {\n\t\t\tapp_id wx2\n\t\t\tsecret Mark\n\t\t\tauthorize http://weixin.example\n\t\t}\n", "wechat wx_pub", "authorize http://weixin.example would send the secret in the clear"},

		{"checkout in WeChat without an account", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcheckout {\n\t\t\tchannels wx_pub\n\t\t\treturn_url https://shop.example.com/orders\n\t\t}\n", "checkout channels", "wx_pub is paid with a login of wx_pub, which is not configured"},
		{"checkout without orders", "orders GET /internal/pay/orders/{order_no}\n", page, "checkout", "needs orders, since the page shows what the backend says about an order; write orders GET /internal/pay/orders/{order_no}"},
		{"checkout by a channel that is not offered", "webhook_key PINGPP\n\t\t}\n", "webhook_key PINGPP\n\t\t\tchannels wx_lite\n\t\t}\n" + page, "checkout channels", "wx_pub_qr is not among the channels of pingpp; write it there too, or leave it out here"},
		{"checkout by Alipay without a way back", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcheckout {\n\t\t\tchannels alipay_wap\n\t\t\treturn_url https://shop.example.com/orders\n\t\t}\n", "checkout channels", "alipay_wap needs success_url in the pay block"},
		{"checkout back over http", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcheckout {\n\t\t\tchannels wx_pub_qr\n\t\t\treturn_url http://shop.example.com/orders\n\t\t}\n", "checkout return_url", "is not an https URL; write it like https://shop.example.com/orders"},
		{"checkout back to a path", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcheckout {\n\t\t\tchannels wx_pub_qr\n\t\t\treturn_url /orders\n\t\t}\n", "checkout return_url", "is not an https URL"},
		{"a shop's name without a page to stand on", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tshop_name tea\n", "shop_name", "is for the payment page, which is off; add checkout { … } or leave shop_name out"},
		{"an accent without a page", "upstream legacy:8080\n", "upstream legacy:8080\n\t\taccent \"#0a7d4b\"\n", "accent", "is for the payment page, which is off"},
		{"a long shop's name", "upstream legacy:8080\n", "upstream legacy:8080\n" + page + "\t\tshop_name " + strings.Repeat("茶", 41) + "\n", "shop_name", "has 41 characters; at most 40 fit on a phone"},
		{"a shop's name that cannot be shown", "upstream legacy:8080\n", "upstream legacy:8080\n" + page + "\t\tshop_name \"tea\u202e\"\n", "shop_name", "has a character that cannot be shown"},
		{"an accent that is no colour once resolved", "upstream legacy:8080\n", "upstream legacy:8080\n" + page + "\t\taccent {system.os}\n", "accent", "is no colour; write # and six hexadecimal digits"},
		{"cors over http", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcors https://m.example.com http://h5.example.com\n", "cors", `the origin "http://h5.example.com" is plain HTTP, where anybody on the way can change the page; write https://h5.example.com, or set allow_http for a test`},
		{"cors of a path", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcors https://m.example.com{env.TEST_ROOT}\n", "cors", "has more than scheme, host and port, which is all that browsers say; write https://m.example.com"},
		{"cors of an origin twice", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcors https://wx_lite https://{env.TEST_CHANNEL}\n", "cors", "the origin https://wx_lite stands twice; leave one out"},
		{"cors of nobody", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcors {env.TEST_UNSET}\n", "cors", "{env.TEST_UNSET} resolves to nothing"},
		{"checkout back to nothing", "upstream legacy:8080\n", "upstream legacy:8080\n\t\tcheckout {\n\t\t\tchannels wx_pub_qr\n\t\t\treturn_url {env.TEST_UNSET}\n\t\t}\n", "checkout return_url", "{env.TEST_UNSET} resolves to nothing"},

		{"session key not base64", "ttl 2h", "key Mark", "session key", "must be 32 bytes in base64; make one with: openssl rand -base64 32"},
		{"session key too short", "ttl 2h", "key TWFya01hcms=", "session key", "must be 32 bytes in base64"},
		{"second session key bad", "ttl 2h", "key " + testSessionKey + " Mark", "session key", "must be 32 bytes in base64"},
		{"ttl too short", "ttl 2h", "ttl 59s", "session ttl", "59s is too short; write a minute or more, like 2h"},
		{"merchant token too short", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken Mark\n\t\t}", "merchant_api token", "must have at least 32 characters; make one with: openssl rand -hex 32"},
		{"unset merchant token", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken {env.TEST_UNSET}\n\t\t}", "merchant_api token", "{env.TEST_UNSET} resolves to nothing"},
		{"merchant token with spaces", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken \"merchant Mark 0123456789 abcdefghij\"\n\t\t}", "merchant_api token", "must be printable ASCII without spaces"},
		{"merchant token is the backend's", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken token-Mark-0123456789abcdefghijkl\n\t\t}", "merchant_api token", "is the backend_token: take another"},
		{"merchant addresses from nowhere", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken merchant-Mark-0123456789abcdefghij\n\t\t\tallow {env.TEST_UNSET}\n\t\t}", "merchant_api allow", "{env.TEST_UNSET} resolves to nothing"},
		{"merchant addresses that are none", "upstream legacy:8080", "upstream legacy:8080\n\t\tmerchant_api {\n\t\t\ttoken merchant-Mark-0123456789abcdefghij\n\t\t\tallow {env.TEST_TYPE}\n\t\t}", "merchant_api allow", "neither an address nor a range nor private_ranges"},
		{"prefix with a double slash", "pay {", "pay /shop//pay {", "prefix", "must begin with a slash and end without one"},
		{"prefix with a placeholder", "pay {", "pay /{env.X} {", "prefix", "must begin with a slash and end without one"},
		{"upstream that cannot be provisioned", "upstream legacy:8080", "upstream legacy:8080 {\n\t\t\tlb_policy header X-Shop\n\t\t\ttransport http {\n\t\t\t\ttls\n\t\t\t\ttls_client_auth ABSENT ABSENT\n\t\t\t}\n\t\t}", "upstream", "no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if !strings.Contains(goodSite, tc.old) {
				t.Fatal("the good site has no", tc.old)
			}
			file := fill(t, dir, strings.Replace(goodSite, tc.old, tc.new, 1))
			err := validate(t, globals(dir)+file)
			if err == nil {
				t.Fatal("it provisions")
			}
			// At the start of a line, not behind Caddy's chain of modules; and said once.
			lead := "\npay on shop.example.com, www.shop.example.com: " + tc.option + ": "
			for _, said := range strings.Fields(tc.option) {
				if strings.Contains(err.Error(), lead+said+": ") {
					t.Errorf("it stutters: %v", err)
				}
			}
			for _, want := range []string{lead, tc.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			if at, want := lineOf(t, globals(dir)+file, err), cmp.Or(elsewhere[tc.name], tc.option[strings.LastIndex(tc.option, " ")+1:]); at != want {
				t.Errorf("%v\nnames the line of %s, want that of %s", err, at, want)
			}
			for _, secret := range []string{"Mark", "MII"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("it tells a secret: %v", err)
				}
			}
		})
	}
}

// What Caddy's JSON can say and a Caddyfile cannot.
func TestProvisionErrorsOfJSON(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"no pingpp", `"pingpp":`, `"session":{},"pingpp":null,"wechat":{},"x":`, "unknown field"},
		{"other wechat kind", `"wx_lite":{"app_id"`, `"wx_mini":{"app_id"`, "wechat wx_mini: is not a kind of WeChat account that is known here; write wechat wx_lite or wechat wx_pub"},
		{"a mini program's page", `"wx_lite":{"app_id"`, `"wx_lite":{"authorize":"https://open.weixin.qq.com","app_id"`, "wechat wx_lite authorize: is an option of wechat wx_pub alone"},
		{"negative timeout", `"path":"/internal/pay/events","timeout":15000000000`, `"path":"/internal/pay/events","timeout":-1`, "events timeout: -1ns must be above 0"},
		{"negative ttl", `"ttl":7200000000000`, `"ttl":-1`, "session ttl: -1ns is too short"},
		{"JSONPath in orders", `"orders":{`, `"orders":{"amount":"$.data.fee",`, `orders amount: "$.data.fee" is JSONPath, and paths here have no $ and no brackets; write data.fee`},
		{"brackets in orders", `"orders":{`, `"orders":{"subject":"data.goods[0].name",`, `orders subject: "data.goods[0].name" is JSONPath, and paths here have no $ and no brackets; write data.goods.0.name`},
		{"brackets without an index", `"orders":{`, `"orders":{"subject":"data.goods[*].name",`, `no brackets; write data.amount`},
		{"JSONPath in not_found", `"orders":{`, `"orders":{"not_found":{"path":"$.code","values":["404"]},`, `orders not_found: "$.code" is JSONPath`},
		{"JSONPath in status", `"orders":{`, `"orders":{"status":{"path":"$['state']"},`, `no brackets; write state`},
		{"JSONPath in expect", `"events":{`, `"events":{"expect":{"json":{"path":"$.code","values":["0"]}},`, "events expect: json: \"$.code\" is JSONPath"},
		{"no app", `"app":"app_test1",`, ``, "pingpp app: is missing; write app app_…; the Ping++ dashboard (dashboard.pingxx.com) shows"},
		{"no key", `"key":"sk_test_Mark0123456789",`, ``, "pingpp key: is missing; write key {env.PINGPP_KEY}"},
		{"no appid", `"app_id":"wx0123456789abcdef",`, ``, "wechat wx_lite app_id: is missing; write app_id wx…"},
		{"misspelt placeholder in a URL", `"handler":"pay"`, `"handler":"pay","success_url":"https://shop.example.com/{order}"`, "success_url: {order} is no placeholder here; write {order_no}"},
		{"negative max", `"orders":{`, `"orders":{"max":-1,`, "orders max: -1 must be above 0, in fen; write max 2000000 for 20,000 yuan"},
		{"other unit", `"orders":{`, `"orders":{"unit":"jiao",`, `orders unit: "jiao" is neither fen nor yuan`},
		{"no payable", `"orders":{`, `"orders":{"status":{"paid":["2"]},`, "orders status: status names no value that means payable; write: payable 0"},
		{"a state twice", `"orders":{`, `"orders":{"status":{"payable":["2"],"closed":["2"]},`, `orders status: the value "2" of status stands twice`},
		{"not_found without values", `"orders":{`, `"orders":{"not_found":{"path":"code"},`, "orders not_found: takes a path and the values there that mean that there is no such order; write not_found code 404"},
		{"not_found without path", `"orders":{`, `"orders":{"not_found":{"values":["404"]},`, "orders not_found: takes a path and the values"},
		{"orders and client amounts", `"orders":{`, `"allow_client_amount":{"max":1,"subject":"x"},"orders":{`, "allow_client_amount: and orders exclude each other"},
		{"zero gap", `"events":{`, `"events":{"retry":["5s",0],`, "events retry: a gap must be above 0"},
		{"expectation of both kinds", `"events":{`, `"events":{"expect":{"body":"ok","json":{"path":"code","values":["0"]}},`, "events expect: names a body and json"},
		{"expectation without values", `"events":{`, `"events":{"expect":{"json":{"path":"code"}},`, "events expect: json takes a path and the values"},
		{"expectation without path", `"events":{`, `"events":{"expect":{"json":{"values":["0"]}},`, "events expect: json takes a path and the values"},
		{"blank expectation", `"events":{`, `"events":{"expect":{},`, "events expect: names no body; write expect body success"},
		{"orders method", `"method":"GET"`, `"method":"DELETE"`, `orders: the method "DELETE" is not one of GET, POST`},
		{"events method", `"method":"POST"`, `"method":"GET"`, `events: the method "GET" is not one of POST, PUT`},
		{"no events path", `"path":"/internal/pay/events"`, `"path":""`, "events: is missing"},
		{"no rate", `"orders":{`, `"limits":{"openid":"0"},"orders":{`, `limits openid: "0" is not a rate: write a number from 1 to 1000000, a slash, and s, m or h, like 60/m`},
		{"negative attempts", `"orders":{`, `"limits":{"attempts":-1},"orders":{`, "limits attempts: -1 is not from 1 to 1000000"},
		{"negative waiters", `"orders":{`, `"limits":{"waiters":-1},"orders":{`, "limits waiters: -1 is not from 1 to 1000000"},
		{"checkout without channels", `"handler":"pay"`, `"handler":"pay","checkout":{"return_url":"https://shop.example.com"}`, "checkout channels: is missing; write wx_pub_qr alipay_qr"},
		{"checkout by a channel without a page", `"handler":"pay"`, `"handler":"pay","checkout":{"channels":["wx_lite"],"return_url":"https://shop.example.com"}`, `checkout channels: "wx_lite" is no channel that a page can lead through`},
		{"no block of pingpp", `"session":{`, `"pingpp":null,"session":{`, "pingpp: the block is missing; write pingpp { app …  key …  webhook_key … }"},
		{"no webhook_key", `"webhook_key":["`, `"channels":["`, "pingpp webhook_key: is missing; write webhook_key pingpp.pub.pem"},
		{"other mismatch", `"events":{`, `"events":{"mismatch":"ignore",`, `events mismatch: "ignore" is neither hold nor deliver; write mismatch hold`},
		{"look-ups before the charge", `"orders":{`, `"reconcile":{"after":-1},"orders":{`, "reconcile: after and until must be above 0; write after 30s and until 24h"},
		{"merchant API without a token", `"orders":{`, `"merchant_api":{},"orders":{`, "merchant_api token: is missing; write token {env.PAY_MERCHANT_TOKEN}, and make one with: openssl rand -hex 32"},
		{"client amounts without an end", `"orders":{"method":"GET","path":"/internal/pay/orders/{order_no}"}`, `"allow_client_amount":{"subject":"x"}`, "allow_client_amount max: is missing; write the most that a client may name, in fen, like max 20000 for 200 yuan"},
		{"other ledger", `"apps":{`, `"apps":{"pay":{"ledger":{"driver":"mysql"}},`, `pay on all sites: ledger: "mysql" is not a kind of ledger that is known here; write ledger sqlite, or ledger postgres <dsn>`},
		{"a DSN for a driver", `"apps":{`, `"apps":{"pay":{"ledger":{"driver":"postgres://u:p@h/d"}},`, `pay on all sites: ledger: this is not a kind of ledger that is known here; write`},
		{"postgres without a DSN", `"apps":{`, `"apps":{"pay":{"ledger":{"driver":"postgres"}},`, "pay on all sites: ledger: needs the database's DSN; write ledger postgres {env.PAY_LEDGER_DSN}"},
		{"a DSN of a file", `"apps":{`, `"apps":{"pay":{"ledger":{"dsn":"postgres://h/d"}},`, "pay on all sites: ledger: dsn, max_conns and listen are of a ledger in PostgreSQL; write ledger postgres <dsn>"},
		{"a file of a database", `"apps":{`, `"apps":{"pay":{"ledger":{"driver":"postgres","dsn":"postgres://h/d","file":"a.db"}},`, "pay on all sites: ledger: a ledger in PostgreSQL is in no file"},
		{"too many connections", `"apps":{`, `"apps":{"pay":{"ledger":{"driver":"postgres","dsn":"postgres://h/d","max_conns":1001}},`, "pay on all sites: ledger max_conns: is a number from 1 to 1000, not 1001"},
		{"negative retention", `"apps":{`, `"apps":{"pay":{"retention":-1},`, "pay on all sites: retention: -1ns is not above 0; write retention 400d"},
		{"prefix without a slash", `"handler":"pay"`, `"handler":"pay","prefix":"pay"`, `prefix: "pay" must begin with a slash`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			raw := string(withoutLines(adapt(t, globals(dir)+fill(t, dir, goodSite))))
			if !strings.Contains(raw, tc.old) {
				t.Fatalf("no %s in %s", tc.old, raw)
			}
			err := validateJSON(t, strings.Replace(raw, tc.old, tc.new, 1))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "Caddyfile") {
				t.Errorf("%v\ndoes not say %q", err, tc.want)
			}
		})
	}
}

// Several blocks and sites. What is not wrong must provision.
func TestProvisionSites(t *testing.T) {
	block := goodSite[strings.Index(goodSite, "\tpay {"):strings.LastIndex(goodSite, "}")]
	other := strings.Replace(block, "pay {", "pay /second/pay {", 1)
	plain := "\tpay {\n\t\tpingpp {\n\t\t\tapp app_test2\n\t\t\tkey sk_test_Mark0123456789\n\t\t\twebhook_key PINGPP\n\t\t}\n\t}\n"
	for _, tc := range []struct{ name, file, want string }{
		{"as it is", goodSite, ""},
		{"keys as text", strings.NewReplacer("MERCHANT", "{env.TEST_PRIVATE_KEY}", "webhook_key PINGPP", "webhook_key {file.PINGPP} PINGPP").Replace(goodSite), ""},
		{"key as a heredoc", strings.Replace(goodSite, "signing_key MERCHANT", "signing_key <<HERE\n"+privatePEM(merchantKey())+"HERE", 1), ""},
		{"lists of placeholders", strings.NewReplacer("app app_test1", "app app_test1\n\t\t\tchannels {env.TEST_CHANNEL}", "timeout 15s", "types {env.TEST_TYPE}").Replace(goodSite), ""},
		{"unset type", strings.Replace(goodSite, "timeout 15s", "types charge.succeeded {env.TEST_UNSET}", 1), "events types: {env.TEST_UNSET} resolves to nothing"},
		{"unset channel", strings.Replace(goodSite, "app app_test1", "app app_test1\n\t\t\tchannels {env.TEST_UNSET}", 1), "pingpp channels: {env.TEST_UNSET} resolves to nothing"},
		{"without orders and events", "shop.example.com {\n" + plain + "}\n", ""},
		{"two prefixes", "shop.example.com {\n" + block + other + "}\n", ""},
		{"one destination, two sites", "a.example.com {\n" + block + "}\nb.example.com {\n" + block + "}\n", ""},
		{"no hosts", ":8080 {\n" + strings.Replace(block, "app_test1", "user_1", 1) + "}\n", "pay on 127.0.0.1:8080: pingpp: "},
		{"no hosts, two sites", ":8080 {\n" + strings.Replace(block, "app_test1", "user_1", 1) + "}\n:8081 {\n\trespond ok\n}\n", "pay on 127.0.0.1:8080: pingpp: "},
		{"one of three sites", "a.example.com {\n" + plain + "}\nb.example.com {\n\trespond ok\n}\nc.example.com {\n" + strings.Replace(block, "app_test1", "user_1", 1) + "}\n", "pay on c.example.com: pingpp: "},
		{"inside a handle", "shop.example.com {\n\thandle /x/* {\n" + strings.Replace(block, "app_test1", "user_1", 1) + "\t}\n}\n", "pay on shop.example.com: pingpp: "},
		{"one prefix twice", "shop.example.com {\n" + block + plain + "}\n", "pay on shop.example.com: prefix: there are two pay blocks with the prefix /pay on this site; give one another prefix, like pay /pay2 { … }"},
		{"one prefix twice without hosts", ":8080 {\n" + block + plain + "}\n", "pay on 127.0.0.1:8080: prefix: there are two pay blocks with the prefix /pay"},
		{"default and spelled prefix", "shop.example.com {\n" + block + strings.Replace(plain, "pay {", "pay /pay {", 1) + "}\n", "prefix: there are two pay blocks with the prefix /pay"},
		{"one prefix below the other", "shop.example.com {\n" + block + strings.Replace(plain, "pay {", "pay /pay/two {", 1) + "}\n", "the prefixes /pay and /pay/two, one below the other,"},
		{"like-sounding prefixes", "shop.example.com {\n" + block + strings.Replace(plain, "pay {", "pay /payment {", 1) + "}\n", ""},
		{"one prefix in two handles", "*.example.com {\n\t@a host a.example.com\n\thandle @a {\n" + block + "\t}\n\t@b host b.example.com\n\thandle @b {\n" + plain + "\t}\n}\n", ""},
		{"one prefix twice in one handle", "*.example.com {\n\thandle {\n" + block + plain + "\t}\n}\n", "two pay blocks with the prefix /pay"},
		{"one prefix, two sites", "a.example.com {\n" + block + "}\nb.example.com {\n" + plain + "}\n", ""},
		{"other path", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "/internal/pay/events", "/events", 1) + "}\n",
			"pay on b.example.com: events: app_test1 in test mode already delivers in another way on a.example.com (Caddyfile:34): the method or path of events differs; give both sites the same there, or only one of them events"},
		{"other path and timeout", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.NewReplacer("/internal/pay/events", "/events", "timeout 15s", "timeout 16s").Replace(block) + "}\n", "the method or path of events and timeout of events differ; give"},
		{"other upstream", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "legacy:8080", "legacy:8081", 1) + "}\n", "already delivers in another way on a.example.com (Caddyfile:31): upstream differs"},
		{"other token", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "token-Mark", "token-mark", 1) + "}\n", "backend_token differs"},
		{"other secret", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "timeout 15s", "timeout 15s\n\t\t\tsecret whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 1) + "}\n", "secret of events differs"},
		{"other types", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "timeout 15s", "timeout 15s\n\t\t\ttypes refund.succeeded", 1) + "}\n", "on a.example.com (Caddyfile:34): types of events differs"},
		{"the same types in another order", "a.example.com {\n" + strings.Replace(block, "timeout 15s", "types charge.succeeded refund.succeeded", 1) + "}\nb.example.com {\n" + strings.Replace(block, "timeout 15s", "types refund.succeeded charge.succeeded", 1) + "}\n", ""},
		{"other mismatch", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.Replace(block, "timeout 15s", "timeout 15s\n\t\t\tmismatch deliver", 1) + "}\n",
			"pay on b.example.com: events mismatch: app_test1 in test mode already delivers in another way on a.example.com (Caddyfile:34): mismatch of events differs; give"},
		{"other times of look-ups", "a.example.com {\n" + strings.Replace(block, "upstream", "reconcile {\n\t\t\tuntil 48h\n\t\t}\n\t\tupstream", 1) + "}\nb.example.com {\n" + strings.Replace(block, "upstream", "reconcile {\n\t\t\tuntil 47h\n\t\t}\n\t\tupstream", 1) + "}\n",
			"pay on b.example.com: reconcile: the charges of app_test1 in test mode are already looked up at other times on a.example.com (Caddyfile:31); give both sites the same there, or only one of them reconcile"},
		{"look-ups of one block, as by default, and of none", "a.example.com {\n" + strings.Replace(block, "upstream", "reconcile {\n\t\t\tuntil 24h\n\t\t}\n\t\tupstream", 1) + "}\nb.example.com {\n" + strings.Replace(block, "upstream", "reconcile {\n\t\t\tafter 30s\n\t\t}\n\t\tupstream", 1) + "}\nc.example.com {\n" + block + "}\n", ""},
		{"other mode", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.NewReplacer("sk_test_", "sk_live_", "legacy:8080", "legacy:8081").Replace(block) + "}\n", ""},
		{"other app", "a.example.com {\n" + block + "}\nb.example.com {\n" + strings.NewReplacer("app_test1", "app_test2", "legacy:8080", "legacy:8081").Replace(block) + "}\n", ""},
		{"a Unix socket", "http://shop.example.com {\n\tbind unix/FOLDER/caddy.sock|0660\n" + block + "}\n", "pay on shop.example.com: listener: on the Unix socket unix/"},
		{"a Unix socket beside a port", "http://shop.example.com {\n\tbind unix/FOLDER/caddy.sock 127.0.0.1\n" + block + "}\n", "write servers { trusted_proxies_unix } into the global options"},
		{"a trusted Unix socket", "{\n\tservers {\n\t\ttrusted_proxies_unix\n\t}\n}\nhttp://shop.example.com {\n\tbind unix/FOLDER/caddy.sock\n" + block + "}\n", ""},
		{"ledger that cannot be", "{\n\tpay {\n\t\tledger sqlite PINGPP/ledger.db\n\t}\n}\n" + goodSite, "not a directory"},
		{"a DSN that cannot be read", "{\n\tpay {\n\t\tledger postgres postgres://pay:Mark/pw@db/pay\n\t}\n}\n" + goodSite, "pay on all sites: ledger: the ledger's DSN cannot be read; write postgres://user:password@host:5432/database"},
		{"a DSN that resolves to nothing", "{\n\tpay {\n\t\tledger postgres {env.TEST_UNSET}\n\t}\n}\n" + goodSite, "pay on all sites: ledger: {env.TEST_UNSET} resolves to nothing"},
		{"ledger placeholder", "{\n\tpay {\n\t\tledger sqlite {env.TEST_UNSET}\n\t}\n}\n" + goodSite, "pay on all sites: ledger: {env.TEST_UNSET} resolves to nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := tc.file
			if rest, ok := strings.CutPrefix(file, "{\n"); ok {
				global, site, _ := strings.Cut(rest, "\n}\n")
				file = globals(dir, strings.TrimSpace(global)) + site
			} else {
				file = globals(dir) + file
			}
			err := validate(t, fill(t, dir, file))
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v\ndoes not say %q", err, tc.want)
			case tc.want != "" && !placeAtEnd.MatchString(err.Error()):
				t.Errorf("%v\nnames no line", err)
			case err != nil && strings.Contains(err.Error(), "Mark"):
				t.Errorf("it tells a secret: %v", err)
			}
		})
	}
}

// What gjson itself understands is left alone, also where it has brackets.
func TestPathsOfOurs(t *testing.T) {
	for _, path := range []string{"data.goods.0.name", `data.goods\[0\]`, `goods.#(name=="a[0]").price`, "@this", "data.@values|[0]", "[data.a,data.b]", "$", "price$"} {
		err := checkJSONPath(path)
		if path == "$" != (err != nil) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
