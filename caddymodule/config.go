package caddymodule

import (
	"crypto/rsa"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers"
	"github.com/caddypay/caddypay/wechat"
)

// LedgerConfig says where the durable record is kept.
type LedgerConfig struct {
	// The kind of ledger: `sqlite`, a file of this machine, or `postgres`, a database that several nodes share. Default: `sqlite`.
	Driver string `json:"driver,omitempty"`

	// The SQLite file; it is made with mode 0600. A relative name is relative to the working directory.
	// Default: `pay/ledger.db` in Caddy's data directory. Placeholders are resolved. Only for `sqlite`.
	File string `json:"file,omitempty"`

	// The PostgreSQL database, as a URL (`postgres://user:password@host/database?sslmode=verify-full`) or as keywords (`host=… dbname=…`). It is never
	// logged. Required for `postgres`, and only for that. Placeholders are resolved; write `{env.…}` or `{file.…}` to keep it out of the configuration.
	DSN string `json:"dsn,omitempty"`

	// How many connections this node has to PostgreSQL at most, without the one that listens. Default: `8`.
	MaxConns int `json:"max_conns,omitempty"`

	// Whether PostgreSQL tells this node at once what other nodes have recorded. `off` (false in JSON) where PgBouncer pools transactions, which cannot:
	// this node then looks each second. Default: `on`.
	Listen *bool `json:"listen,omitempty"`
}

// PingppConfig is a merchant's Ping++ app.
type PingppConfig struct {
	// The Ping++ app id, `app_…`. Required. Placeholders are resolved.
	App string `json:"app,omitempty"`

	// The secret API key. Its prefix decides the mode: `sk_test_…` moves no money, `sk_live_…` does. Required. Placeholders
	// are resolved; write `{env.…}` or `{file.…}` to keep the key out of the configuration.
	Key string `json:"key,omitempty"`

	// The merchant's RSA private key that signs requests to Ping++: a PEM file, or PEM text, in PKCS#1 or PKCS#8.
	// Without it requests are not signed, which Ping++ refuses once request signatures are switched on in its dashboard.
	SigningKey string `json:"signing_key,omitempty"`

	// Ping++'s RSA public keys that webhooks are verified with: PEM files, or PEM text; several while the key changes. Required.
	WebhookKeys []string `json:"webhook_key,omitempty"`

	// Where Ping++'s API is. Plain http only with a test key or to loopback. Default: `https://api.pingxx.com`.
	Endpoint string `json:"endpoint,omitempty"`

	// The payment channels that clients may use; docs/channels.md lists all. Default: those that work with what is configured:
	// a channel paid with a WeChat login with that account, one that needs a URL with that URL, and no channel that needs
	// what only the backend or the client can give.
	Channels []string `json:"channels,omitempty"`

	// How long one call to Ping++ may take, retries included. Default: `15s`.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// WeChatConfig is one WeChat account.
type WeChatConfig struct {
	// The account's appid, `wx…`. Required. Placeholders are resolved.
	AppID string `json:"app_id,omitempty"`

	// The account's AppSecret. Required. Placeholders are resolved.
	Secret string `json:"secret,omitempty"`

	// Where WeChat's API is. Plain http only to loopback. Default: `https://api.weixin.qq.com`.
	Endpoint string `json:"endpoint,omitempty"`

	// Where WeChat's page is on which visitors of an official account's pages log in. Default: `https://open.weixin.qq.com`, or the
	// endpoint where that is set. Of `wx_pub` only.
	Authorize string `json:"authorize,omitempty"`
}

// SessionConfig is about the sessions that logins get.
type SessionConfig struct {
	// How long a login is good for. Default: `2h`.
	TTL caddy.Duration `json:"ttl,omitempty"`

	// Keys of 32 bytes in base64: the first encrypts, all decrypt. Placeholders are resolved. Default: one key, made when it
	// is first needed and kept in Caddy's storage, so that all nodes that share the storage share it.
	Keys []string `json:"key,omitempty"`
}

// OrdersConfig is the backend's answer to "what does this order cost".
type OrdersConfig struct {
	// The request method: `GET` or `POST`. Required.
	Method string `json:"method,omitempty"`

	// The path at the backend, with `{order_no}` in it or in its query, like `/pay.php?no={order_no}`. It is closed to the
	// outside; with a query, to requests that have all of its fixed parameters. It must not stand for the whole site. Required.
	Path string `json:"path,omitempty"`

	// Where the price stands in the backend's JSON: a path in gjson's syntax, like `data.total_fee`. So do the next eight.
	// Without a path each is read as the member of its own name.
	Amount string `json:"amount,omitempty"`

	// What the price counts: `fen`, or `yuan`, which is read as decimal text or a JSON number, digit by digit, never through a
	// float. Default: `fen`.
	Unit string `json:"unit,omitempty"`

	// The path to the order number, which must be the one that was asked for.
	OrderNo string `json:"order_no,omitempty"`

	// The path to the currency, like `cny`. Default where it gives nothing: the channel's.
	Currency string `json:"currency,omitempty"`

	// The path to what is being paid, for show.
	Subject string `json:"subject,omitempty"`

	// The path to a longer description, for show. Default where it gives nothing: the subject.
	Body string `json:"body,omitempty"`

	// The path to when the order lapses, in Unix seconds.
	TimeExpire string `json:"time_expire,omitempty"`

	// The path to the openid of the only one who may pay; null there for anybody who is logged in.
	OpenID string `json:"openid,omitempty"`

	// The path to an object of strings that comes back in the event.
	Metadata string `json:"metadata,omitempty"`

	// The path to an object with what the channel needs besides.
	Extra string `json:"extra,omitempty"`

	// Where the order's state stands, and the backend's words for it.
	Status *OrderStatusConfig `json:"status,omitempty"`

	// How the backend says that there is no such order, where it says so with 200. Default: by 404 or 403.
	NotFound *OrderNotFoundConfig `json:"not_found,omitempty"`

	// What stands for a subject, body or currency that the backend leaves out.
	Default *OrderDefaultConfig `json:"default,omitempty"`

	// Refuse to charge more than this, in fen. Default: no limit.
	Max int64 `json:"max,omitempty"`
}

// OrderStatusConfig translates the backend's states of an order. Values are compared as text; one that is not named is an error.
type OrderStatusConfig struct {
	// The path to the state, in gjson's syntax. Default: `status`.
	Path string `json:"path,omitempty"`

	// The values that mean that the order may be paid. Default: `payable`, if no values are given at all.
	Payable []string `json:"payable,omitempty"`

	// The values that mean that it is paid. Default: `paid`, if no values are given at all.
	Paid []string `json:"paid,omitempty"`

	// The values that mean that it cannot be paid any more. Default: `closed`, if no values are given at all.
	Closed []string `json:"closed,omitempty"`
}

// OrderNotFoundConfig is a member of the backend's JSON that says that there is no such order.
type OrderNotFoundConfig struct {
	// Where it stands, in gjson's syntax. Required.
	Path string `json:"path,omitempty"`

	// The values that mean it, compared without regard to case: text, and whatever else as it is written, like `40401`, `null`,
	// `false` or `[]`. Required.
	Values []string `json:"values,omitempty"`
}

// OrderDefaultConfig stands for what the backend leaves out. `{order_no}` in subject and body is the order's number.
type OrderDefaultConfig struct {
	// What is being paid, for show. Placeholders are resolved.
	Subject string `json:"subject,omitempty"`

	// A longer description, for show. Placeholders are resolved.
	Body string `json:"body,omitempty"`

	// The currency, like `cny`. Placeholders are resolved.
	Currency string `json:"currency,omitempty"`
}

// ClientAmountConfig lets clients name what they pay. The order number is then ours; a client's `reference` is only metadata
// (`pay_reference`), and deliveries say `X-Pay-Amount-By: client`.
type ClientAmountConfig struct {
	// The least that may be paid, in fen. Default: 1.
	Min int64 `json:"min,omitempty"`

	// The most that may be paid, in fen. Required.
	Max int64 `json:"max,omitempty"`

	// What is being paid, for show; `{order_no}` in it is the order's number. Placeholders are resolved. Required.
	Subject string `json:"subject,omitempty"`

	// What our order numbers begin with: at most 6 letters and digits. Default: nothing.
	Prefix string `json:"prefix,omitempty"`
}

// LoginConfig is how the backend hears of logins: a JSON object with `openid`, `unionid` (if any), `appid`, `app` and `mode`. Its JSON
// answer is handed to the client as `login`, with its cookies.
type LoginConfig struct {
	// The request method: `POST`. Required.
	Method string `json:"method,omitempty"`

	// The path at the backend, closed to the outside like that of `orders`. Required.
	Path string `json:"path,omitempty"`
}

// EventsConfig is how the backend hears of payments.
type EventsConfig struct {
	// The request method: `POST` or `PUT`. Required.
	Method string `json:"method,omitempty"`

	// The path at the backend, closed to the outside like that of `orders`. Required.
	Path string `json:"path,omitempty"`

	// Secrets (`whsec_…`) that sign what the backend receives, as Standard Webhooks says; two while they change. Placeholders
	// are resolved. Required unless backend_token is set.
	Secrets []string `json:"secret,omitempty"`

	// The event types to deliver, like `charge.succeeded`; the others are recorded only. Default: all.
	Types []string `json:"types,omitempty"`

	// What the backend's answer has to be besides 2xx. Default: anything but an HTML page or PHP's error message.
	Expect *ExpectConfig `json:"expect,omitempty"`

	// What to do with a payment that fails a money check: `hold` it for a person, or `deliver` it with `X-Pay-Mismatch`. Default: `hold`.
	Mismatch string `json:"mismatch,omitempty"`

	// How long the backend may take to answer. Default: `15s`.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// The gaps between attempts, each ±20 %; after the last attempt an event waits for a person.
	// Default: `5s 30s 2m 10m 30m 1h 3h 6h 12h 24h 24h`, about three days.
	Retry []caddy.Duration `json:"retry,omitempty"`
}

// ReconcileConfig is about charges whose webhook does not come: they are looked up at Ping++, each six times at most unless its payer asks.
type ReconcileConfig struct {
	// How long after its creation a charge is looked up first. Default: `30s`.
	After caddy.Duration `json:"after,omitempty"`

	// How long after its expiry a charge is still looked up. Default: `24h`.
	Until caddy.Duration `json:"until,omitempty"`
}

// LimitsConfig bounds what clients can cause. A rate is a number of requests and a time, like `60/m`: a whole number from 1 to 1000000, a
// slash, and `s`, `m` or `h`; so many may come at once, and further ones as time passes. What is above a limit is answered 429 with
// `Retry-After`, and reaches neither WeChat nor Ping++; nor the backend, which is asked what an order costs before a charge counts for `app`.
type LimitsConfig struct {
	// Logins for each client address, an IPv6 /64 counting as one; also other requests of users without an openid. Behind a proxy set
	// Caddy's `trusted_proxies`, or all clients have one address. Default: `60/m`.
	Address string `json:"address,omitempty"`

	// Requests of each user to create a charge, to wait for its payment, or to report what the client saw. Default: `30/m`.
	OpenID string `json:"openid,omitempty"`

	// Logins that are passed on to WeChat and, counted by themselves, charges that are to be made at Ping++, of all users of the Ping++
	// app together; visitors without an openid get at most half of the charges. Default: `6000/m`.
	App string `json:"app,omitempty"`

	// Webhooks that do not verify, for each address. Ping++'s own are not limited. Default: `60/m`.
	Refused string `json:"refused,omitempty"`

	// Requests that wait for a payment (`?wait=`) at once. Default: `2000`.
	Waiters int `json:"waiters,omitempty"`

	// Charges of one order that may still be paid; a payer may have twice as many, of all orders. Old ones are reversed for a new one
	// where their channel allows it, WeChat a minute after their creation; else the answer is `attempts_exceeded`. Default: 10.
	Attempts int `json:"attempts,omitempty"`
}

// MerchantAPIConfig says who may use the merchant API: `POST /pay/refunds`, `GET /pay/refunds/{refund_no}`,
// `GET /pay/orders/{order_no}` and `POST /pay/charges/{id}/reverse`.
type MerchantAPIConfig struct {
	// Bearer tokens of at least 32 characters, any of which is good; two while one is replaced. Required. Placeholders are
	// resolved.
	Tokens []string `json:"token,omitempty"`

	// Where calls may come from, by the client address that Caddy trusts: IP addresses, CIDR ranges, and `private_ranges`.
	// Default: `private_ranges`, which is this machine and private networks.
	Allow []string `json:"allow,omitempty"`
}

// ExpectConfig is an answer that acknowledges an event.
type ExpectConfig struct {
	// The body, compared after trimming and without regard to case, within the first 4 KiB. The same word as a JSON string will do, and so
	// will XML that says nothing else, or says it in `return_code`.
	Body string `json:"body,omitempty"`

	// A member of the answer's JSON, for backends that answer 200 to everything. Not together with `body`.
	JSON *ExpectJSONConfig `json:"json,omitempty"`
}

// ExpectJSONConfig is the member of an answer that says whether the backend took an event.
type ExpectJSONConfig struct {
	// Where it stands, in the path syntax of `orders`, within the first 64 KiB of the answer. Required.
	Path string `json:"path,omitempty"`

	// What it may be, compared without regard to case; a number as it is written. Required.
	Values []string `json:"values,omitempty"`
}

// Handler is the `pay` directive: it takes payments through Ping++ for the site that it stands in, hands each verified event to the
// backend, and tells the backend who the user is.
//
// It answers everything under its prefix. On every other request it removes `X-WX-*` and `X-Pay-*` headers that come from
// outside and, when the request carries a valid session, sets `X-WX-OPENID`, `X-WX-APPID`, `X-WX-UNIONID` and `X-WX-SOURCE`
// and the placeholders `{http.pay.openid}` and `{http.pay.appid}`, which are empty otherwise.
type Handler struct {
	// The path below which the routes are. Default: `/pay`.
	Prefix string `json:"prefix,omitempty"`

	// The Ping++ app that is paid through. Required.
	Pingpp *PingppConfig `json:"pingpp,omitempty"`

	// The WeChat accounts whose users log in, by their kind: `wx_lite` is a mini program, `wx_pub` an official account, whose pages run
	// inside WeChat.
	WeChat map[string]*WeChatConfig `json:"wechat,omitempty"`

	// Sessions of users who have logged in.
	Session *SessionConfig `json:"session,omitempty"`

	// How the backend is reached: a `reverse_proxy` handler. Required with orders, events or login.
	UpstreamRaw json.RawMessage `json:"upstream,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// A secret of at least 32 characters that is sent as `X-Pay-Token` on every call to the backend, for it to compare.
	// Placeholders are resolved.
	BackendToken string `json:"backend_token,omitempty"`

	// Where a charge's price comes from. Without it, or allow_client_amount, no charges are created.
	Orders *OrdersConfig `json:"orders,omitempty"`

	// Instead of orders: let clients name what they pay, for donations and top-ups.
	AllowClientAmount *ClientAmountConfig `json:"allow_client_amount,omitempty"`

	// Where channels like `alipay_wap` send the payer back to after the payment. That somebody arrives there proves nothing.
	// An absolute https URL; `{order_no}` in it is the merchant's order number. So are the next three. Placeholders are resolved.
	SuccessURL string `json:"success_url,omitempty"`

	// Where `alipay_wap` sends a payer who gave up.
	CancelURL string `json:"cancel_url,omitempty"`

	// Where `jdpay_wap` sends a payer whose payment failed.
	FailURL string `json:"fail_url,omitempty"`

	// Where channels like `upacp_wap` send the payer back to, whatever came of it.
	ResultURL string `json:"result_url,omitempty"`

	// Where events are delivered, and which: those of all blocks of the Ping++ app and mode. Blocks that have it say the same; without any
	// that has, events are recorded and stay pending.
	Events *EventsConfig `json:"events,omitempty"`

	// How many requests are let through.
	Limits *LimitsConfig `json:"limits,omitempty"`

	// Tell the backend of each login, so that the shop's own login goes with it. Needs a backend_token.
	Login *LoginConfig `json:"login,omitempty"`

	// The merchant API: refunds and queries by the backend. Without it those routes are not there.
	MerchantAPI *MerchantAPIConfig `json:"merchant_api,omitempty"`

	// When charges whose webhook is late are looked up: those of all blocks of the Ping++ app and mode. Blocks that have it say the same.
	Reconcile *ReconcileConfig `json:"reconcile,omitempty"`

	// Tell WeChat how payments by `wx_lite` were shipped, whose money it keeps until then: those of all blocks of the Ping++ app and mode.
	// Blocks that have it say the same. Needs the account `wx_lite`. In test mode nothing is told. Off without it.
	Shipping *ShippingConfig `json:"shipping,omitempty"`

	// The hosted payment page at `/pay/checkout`. Off without it.
	Checkout *CheckoutConfig `json:"checkout,omitempty"`

	// The shop's name at the head of the payment page, up to 40 characters. Needs checkout. Placeholders are resolved. Default: a general
	// word.
	ShopName string `json:"shop_name,omitempty"`

	// The colour of the payment page's buttons, `#rrggbb`. Their words are white or black, whichever can be read on it. Needs checkout.
	// Placeholders are resolved. Default: blue.
	Accent string `json:"accent,omitempty"`

	// Other origins whose pages may call the payer's routes, for an H5 build on another host: `https://m.example.com`, as browsers send it,
	// without a slash at its end. Such pages keep their session themselves and send it as `X-Pay-Session`; no cookie counts, and none is set.
	// Plain http only to loopback or with allow_http. Placeholders are resolved. Default: none.
	CORS []string `json:"cors,omitempty"`

	// Serve plain HTTP too: for a site that a TLS-terminating proxy fronts, or a test. Default: false.
	AllowHTTP bool `json:"allow_http,omitempty"`

	// How new the key files and the files of `{file.…}` were when a Caddyfile was read. Nothing reads it: with it, a file that was exchanged
	// makes the configuration another one, which Caddy would otherwise take for unchanged. JSON without it is reloaded with `--force` then.
	KeyFiles string `json:"key_files,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`

	resolved    handlers.Config // what the options say, as it is found out
	site        *handlers.Site  // made of it
	upstream    *upstream       // nil without one
	app         *App
	registry    registration
	program     wechat.Config  // of wx_lite; zero without it
	ownKey      *rsa.PublicKey // the public half of signing_key; nil without one
	webhookKeys []*rsa.PublicKey
	guarded     guards // where the site's wechat_auth stand that ask for this block's users
	logger      *zap.Logger
}
