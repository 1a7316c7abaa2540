package pingxx

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

//go:embed mockpage.html
var mockPageHTML string

var mockPageTemplate = template.Must(template.New("mockpage").Parse(mockPageHTML))

// pages are what a browser opens in test mode to pay.
type pages struct {
	charges   *trade.Charges
	publicURL string // where a browser finds the sandbox; "": as the request did
	now       func() time.Time
}

// base is where a browser finds the sandbox.
func (p *pages) base(r *http.Request) string {
	switch {
	case p.publicURL != "":
		return strings.TrimSuffix(p.publicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// mockView is what the page shows.
type mockView struct {
	English bool
	Service string // the app that the tester seems to have opened
	Charge  *trade.Charge
	Amount  string // yuan
	State   string // unknown, unpaid, paid, canceled, expired or reversed
	Back    string // where the shop wants its user, if anywhere
}

// serveMock is the page that a tester's phone shows: pay or cancel. Only test charges have one.
func (p *pages) serveMock(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		p.mockDecided(w, r)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "the mock page takes GET, HEAD and POST", http.StatusMethodNotAllowed)
		return
	}
	c := p.mockCharge(r.URL.Query().Get("ch_id"))
	view := mockView{English: apierr.English(r.Header.Get("Accept-Language")), Charge: c, State: "unknown"}
	status := http.StatusNotFound
	if c != nil {
		status = http.StatusOK
		view.Amount, view.Service = channel.Yuan(c.Amount), serviceName(c.Channel, view.English)
		view.State, view.Back = mockState(c, p.now()), backURL(c, c.Paid)
		if view.State == "unpaid" && r.URL.Query().Get("result") == "cancel" {
			view.State = "canceled"
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = mockPageTemplate.Execute(w, view)
}

// mockDecided takes the tester's decision, and goes on as the channel would: back to the shop, where it said to where, else to
// the page again.
func (p *pages) mockDecided(w http.ResponseWriter, r *http.Request) {
	action := r.PostFormValue("action")
	c := p.mockCharge(r.PostFormValue("ch_id"))
	switch {
	case c == nil:
		http.Error(w, trade.ErrUnknownCharge.Error(), http.StatusNotFound)
		return
	case action != "pay" && action != "cancel":
		http.Error(w, "action is pay or cancel", http.StatusBadRequest)
		return
	}
	to := c.MockPage("")
	if action == "cancel" {
		to += "&result=cancel"
	} else {
		_ = p.charges.Pay(c.ID) // what keeps it from being paid, the page says
	}
	if c = p.mockCharge(c.ID); c != nil && (action == "cancel" || c.Paid) {
		if back := backURL(c, c.Paid); back != "" {
			to = back
		}
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// mockCharge finds a test charge.
func (p *pages) mockCharge(id string) *trade.Charge {
	c, ok := p.charges.Shown(id)
	if !ok || c.Livemode {
		return nil
	}
	return c
}

func mockState(c *trade.Charge, now time.Time) string {
	switch {
	case c.Paid:
		return "paid"
	case c.Reversed:
		return "reversed"
	case c.Expired(now), c.Dead(now):
		return "expired"
	}
	return "unpaid"
}

// backURL is where the shop wants its user after the payment, or after giving up.
func backURL(c *trade.Charge, paid bool) string {
	keys := []string{"success_url", "result_url", "return_url"}
	if !paid {
		keys = []string{"cancel_url", "fail_url", "result_url", "return_url"}
	}
	for _, key := range keys {
		if raw, ok := c.Extra.Get(key); ok {
			back, _ := rawjson.Text(raw)
			return back
		}
	}
	return ""
}

func serviceName(channel string, en bool) string {
	zh, name := "收银台", "Payment"
	switch {
	case strings.Contains(channel, "wx"):
		zh, name = "微信支付", "WeChat Pay"
	case strings.Contains(channel, "alipay"):
		zh, name = "支付宝", "Alipay"
	case strings.Contains(channel, "upacp"):
		zh, name = "银联", "UnionPay"
	}
	if en {
		return name
	}
	return zh
}
