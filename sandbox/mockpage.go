package sandbox

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

//go:embed mockpage.html
var mockPageHTML string

var mockPageTemplate = template.Must(template.New("mockpage").Parse(mockPageHTML))

const mockPath = "/mock.php"

// publicURL is where a browser finds the sandbox: as configured, or as the request did.
func (s *Sandbox) publicURL(r *http.Request) string {
	switch {
	case s.cfg.PublicURL != "":
		return strings.TrimSuffix(s.cfg.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// mockPage is where a tester pays a test charge in place of the channel's own page.
func mockPage(base string, c *charge) string {
	return base + mockPath + "?ch_id=" + url.QueryEscape(c.ID) + "&channel=" + url.QueryEscape(c.Channel)
}

// mockView is what the page shows.
type mockView struct {
	English bool
	Service string // the app that the tester seems to have opened
	Charge  *charge
	Amount  string // yuan
	State   string // unknown, unpaid, paid, canceled, expired or reversed
	Back    string // where the shop wants its user, if anywhere
}

// serveMock is the page that a tester's phone shows: pay or cancel. Only test charges have one.
func (s *Sandbox) serveMock(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		s.mockDecided(w, r)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "the mock page takes GET, HEAD and POST", http.StatusMethodNotAllowed)
		return
	}
	c := s.mockCharge(r.URL.Query().Get("ch_id"))
	view := mockView{English: english(r.Header.Get("Accept-Language")), Charge: c, State: "unknown"}
	status := http.StatusNotFound
	if c != nil {
		status = http.StatusOK
		view.Amount, view.Service = yuan(c.Amount), serviceName(c.Channel, view.English)
		view.State, view.Back = mockState(c, s.cfg.Now()), backURL(c, c.Paid)
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
func (s *Sandbox) mockDecided(w http.ResponseWriter, r *http.Request) {
	action := r.PostFormValue("action")
	c := s.mockCharge(r.PostFormValue("ch_id"))
	switch {
	case c == nil:
		http.Error(w, ErrUnknownCharge.Error(), http.StatusNotFound)
		return
	case action != "pay" && action != "cancel":
		http.Error(w, "action is pay or cancel", http.StatusBadRequest)
		return
	}
	to := mockPage("", c)
	if action == "cancel" {
		to += "&result=cancel"
	} else {
		_ = s.Pay(c.ID) // what keeps it from being paid, the page says
	}
	if c = s.mockCharge(c.ID); c != nil && (action == "cancel" || c.Paid) {
		if back := backURL(c, c.Paid); back != "" {
			to = back
		}
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// mockCharge finds a test charge.
func (s *Sandbox) mockCharge(id string) *charge {
	c, ok := s.chargeShown(id)
	if !ok || c.Livemode {
		return nil
	}
	return c
}

func mockState(c *charge, now time.Time) string {
	switch {
	case c.Paid:
		return "paid"
	case c.Reversed:
		return "reversed"
	case c.expired(now), c.dead(now):
		return "expired"
	}
	return "unpaid"
}

// backURL is where the shop wants its user after the payment, or after giving up.
func backURL(c *charge, paid bool) string {
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
