package relay

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// request makes the request of one attempt. Body and Ping++'s signature are as they were received, so that code written
// against Ping++'s own webhooks keeps working; everything else is in headers.
func (c *courier) request(ctx context.Context, ev *ledger.Event, attempt int, at time.Time) (*http.Request, error) {
	target := *c.target
	req, err := http.NewRequestWithContext(ctx, c.method, target.String(), bytes.NewReader(ev.Body))
	if err != nil {
		return nil, err
	}
	req.Host = ev.Host
	const most = 20 // headers: one map and one slice hold them all
	h, values := make(http.Header, most), make([]string, 0, most)
	req.Header = h
	set := func(name, value string) { // the name in its canonical form
		if value != "" {
			values = append(values, headerValue(value))
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	set("Content-Type", "application/json; charset=utf-8")
	set("User-Agent", "caddypay")
	set("Accept-Encoding", "identity") // the answer's first bytes decide; they must be readable

	set("Webhook-Id", ev.ID)
	set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	set("Webhook-Signature", signatures(c.secrets, ev.ID, at, ev.Body))

	set("X-Pay-Event", ev.Type)
	set("X-Pay-Order-No", ev.OrderNo)
	set("X-Pay-Charge", ev.ChargeID)
	set("X-Pay-Mode", string(ev.Mode))
	set("X-Pay-Source", string(ev.Source))
	set("X-Pay-Attempt", strconv.Itoa(attempt))
	set("X-Pay-Mismatch", ev.Mismatch())
	set("X-Pay-Late", ev.Late)
	set("X-Pay-Amount-By", amountBy(ev.Body))
	if ev.Replay {
		set("X-Pay-Replay", "1")
	}
	set("X-Pay-Token", c.token.Reveal())

	set(pingpp.SignatureHeader, ev.Signature)
	set("Traceparent", ev.TraceParent)
	return req, nil
}

// metaAmountBy is the metadata key by which a charge says that the client named its amount.
const metaAmountBy = "pay_amount_by"

// amountBy is client for the events of a charge whose amount the client named. That stands in the event itself, under
// Ping++'s signature, so that nothing that we could lose is needed to know it.
func amountBy(body []byte) string {
	if !bytes.Contains(body, []byte(metaAmountBy)) { // nearly all
		return ""
	}
	ev, err := pingpp.ParseEvent(body)
	if err != nil || ev.Charge == nil || ev.Charge.Metadata[metaAmountBy] != "client" {
		return ""
	}
	return "client"
}

// headerValue writes bytes that a header cannot carry as %XX. Order numbers can come from Ping++'s dashboard; one odd
// character must not make an event undeliverable.
func headerValue(s string) string {
	plain := func(b byte) bool { return b >= ' ' && b <= '~' }
	clean := true
	for i := range len(s) {
		clean = clean && plain(s[i])
	}
	if clean {
		return s
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if plain(s[i]) && s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		b.Write([]byte{'%', digits[s[i]>>4], digits[s[i]&15]})
	}
	return b.String()
}

// parseTarget reads the path of the events route, which may have a query.
func parseTarget(path string) (*url.URL, error) {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, err
	}
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, nil
}
