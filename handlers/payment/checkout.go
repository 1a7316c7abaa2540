package payment

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// Checkout is the hosted payment page.
type Checkout struct {
	Channels  []string // to offer, the preferred first; each one of CheckoutChannels
	ReturnURL string   // where the payer goes back to, with order_no added to its query
	ShopName  string   // stands at the head of the page; empty: a general word does
	Accent    *Colour  // of the page's buttons; nil: blue
}

// justPaid is how long after a payment its payer is still on the way back to the shop.
const justPaid = 5 * time.Minute

// The places where a page is looked at.
type place string

const (
	inWeChat place = "wechat"
	onPhone  place = "phone"
	onScreen place = "screen"
)

// checkoutChannels are those that a page can lead through, with the place where each works and the way it goes.
var checkoutChannels = map[string]struct {
	at  place
	way string // see choice
}{
	"wx_pub":              {inWeChat, "wechat"},
	"wx_pub_pab":          {inWeChat, "wechat"},
	"yeepay_wx_pub":       {inWeChat, "wechat"},
	"chinaums_wx_pub":     {inWeChat, "open"},
	"wx_wap":              {onPhone, "open"},
	"alipay_wap":          {onPhone, "open"},
	"upacp_wap":           {onPhone, "open"},
	"chinaums_wx_wap":     {onPhone, "open"},
	"chinaums_alipay_wap": {onPhone, "open"},
	"chinaums_upacp_wap":  {onPhone, "open"},
	"wx_pub_qr":           {onScreen, "scan"},
	"alipay_qr":           {onScreen, "scan"},
	"alipay_pc_direct":    {onScreen, "open"},
	"upacp_pc":            {onScreen, "open"},
}

// CheckoutChannels returns the channels that the hosted payment page knows.
func CheckoutChannels() []string { return slices.Sorted(maps.Keys(checkoutChannels)) }

var phoneAgent = regexp.MustCompile(`(?i)Android|iPhone|iPad|iPod|HarmonyOS|Mobile`)

// placeOf tells where a page is looked at. WeChat on a desktop opens the same payment sheet as on a phone.
func placeOf(userAgent string) place {
	switch {
	case strings.Contains(userAgent, "MicroMessenger"):
		return inWeChat
	case phoneAgent.MatchString(userAgent):
		return onPhone
	}
	return onScreen
}

// offered returns the channels that fit, the preferred first. A phone without one of its own is shown the codes: another phone may
// scan them.
func (c *Checkout) offered(at place) (fitting []choice) {
	for _, places := range [][]place{{at}, {onScreen}} {
		for _, name := range c.Channels {
			if known := checkoutChannels[name]; slices.Contains(places, known.at) {
				fitting = append(fitting, choice{Channel: name, Way: known.way})
			}
		}
		if len(fitting) > 0 || at == inWeChat { // no code can be scanned, and no other app opened, from inside WeChat
			break
		}
	}
	return fitting
}

// ServeCheckout serves GET /pay/checkout: the page on which an order is paid. It shows what the backend says about the order, and leaves
// all else to the script, which calls the same routes as any client.
func (s *Payments) ServeCheckout(w http.ResponseWriter, r *http.Request) error {
	orderNo := r.URL.Query().Get("order_no")
	v := &checkoutView{State: "notfound", OrderNo: orderNo}
	if checkOrderNo(orderNo) != nil {
		v.OrderNo = ""
		return s.page(w, r, http.StatusNotFound, v)
	}
	v.Back = withOrderNo(s.Checkout.ReturnURL, orderNo)
	at := placeOf(r.UserAgent())
	if v.Choices = s.Checkout.offered(at); len(v.Choices) == 0 {
		return s.refusedPage(w, r, v, problem.New("channel_unsupported", errors.New("no channel of checkout fits "+string(at))), map[bool]string{true: "browser", false: "nochannel"}[at == inWeChat])
	}
	id, err := s.Visitors.Identify(r)
	if err != nil {
		if p := problem.As(err); p.Status() != http.StatusUnauthorized {
			return s.refusedPage(w, r, v, p, "")
		}
	}
	if v.wantsLogin() && (err != nil || id.Kind != session.WxPub) {
		if r.URL.Query().Has("login") { // it has been tried: another round would lead here again
			return s.refusedPage(w, r, v, problem.New("session_missing", nil), "")
		}
		here := s.Prefix + "/checkout?" + url.Values{"order_no": {orderNo}, "login": {"1"}}.Encode()
		reply.Redirect(w, s.Prefix+"/oauth/start?"+url.Values{"return": {here}}.Encode())
		return nil
	}
	return s.checkoutOrder(w, r, v, id)
}

// checkoutOrder shows an order to whoever may pay it.
func (s *Payments) checkoutOrder(w http.ResponseWriter, r *http.Request, v *checkoutView, id session.Identity) error {
	l, err := s.Ledger(r.Context())
	if err != nil {
		return s.refusedPage(w, r, v, problem.As(err), "")
	}
	attempts, err := l.Attempts(r.Context(), s.Scope, v.OrderNo)
	if err != nil {
		return s.refusedPage(w, r, v, problem.As(err), "")
	}
	own := ownAttempt(attempts, id)
	if own != nil && own.Pays() {
		v.show(own.Amount, own.Currency, "")
		v.Choices = nil
		switch {
		case own.Held:
			v.State = "held"
		case s.Now().Sub(own.TimePaid) < justPaid: // a channel's page has sent the payer back here
			v.State = "paid"
		default:
			v.State = "already"
		}
		return s.page(w, r, http.StatusOK, v)
	}
	if err := s.Budgets.User(id, s.ClientIP(r), s.Now()); err != nil { // the backend is asked
		return s.refusedPage(w, r, v, problem.As(err), "")
	}
	q, err := s.Prices.quote(r.Context(), r, id, v.OrderNo, channel.Of(v.Choices[0].Channel))
	if err != nil {
		return s.refusedPage(w, r, v, problem.As(err), "")
	}
	v.show(q.Amount, q.Currency, q.Subject)
	v.State = "loading"
	if own != nil {
		v.Charge = own.ID
	}
	if v.Choices[0].Way != "open" {
		v.Auto = v.Choices[0].Channel
	}
	if !s.Pingpp.Live() {
		v.MockURL = s.Pingpp.MockURL()
		if v.wantsLogin() {
			v.NotifyURL = s.Pingpp.NotifyURL()
		}
	}
	return s.page(w, r, http.StatusOK, v)
}

// wantsLogin reports whether a channel of the page opens WeChat's payment sheet, which only a visitor who is logged in can have.
func (v *checkoutView) wantsLogin() bool {
	return slices.ContainsFunc(v.Choices, func(c choice) bool { return c.Way == "wechat" })
}

func (v *checkoutView) show(amount int64, currency, subject string) {
	v.Amount, v.Symbol, v.Subject = yuan(amount), symbol(currency), subject
}

// ownAttempt is the visitor's own attempt that matters: the paid one, else the last that may still be paid.
func ownAttempt(attempts []ledger.Charge, id session.Identity) (own *ledger.Charge) {
	for i := range attempts {
		a := &attempts[i]
		if a.ID == "" || !id.Owns(a) {
			continue
		}
		if own = a; a.Pays() {
			return own
		}
	}
	return own
}

// channelCodes are refusals of one channel: another may take the payment, and the same one would answer the same.
var channelCodes = []string{"channel_unsupported", "channel_extra_missing", "charge_rejected", "order_invalid", "provider_rejected"}

// finalCodes are refusals after which another try would end in the same way.
var finalCodes = append([]string{"order_closed", "nothing_to_pay", "amount_invalid", "quote_invalid", "https_required", "wechat_blocked", "wechat_misconfigured",
	"snapshot_user"}, channelCodes...)

// refusedPage says on the page what is wrong. text names a sentence of the page's own, in place of the problem's.
func (s *Payments) refusedPage(w http.ResponseWriter, r *http.Request, v *checkoutView, p *problem.Problem, text string) error {
	s.Problems.Report(r, "checkout", p)
	english := problem.PrefersEnglish(r.Header.Get("Accept-Language"))
	lang, detail := "zh", problem.Sentence(p.Code, english)
	if english {
		lang = "en"
	}
	if text != "" {
		detail = checkoutTexts[lang][text]
	}
	v.State, v.Detail, v.Code, v.Choices, v.Retry = "refused", detail, p.Code, nil, !slices.Contains(finalCodes, p.Code)
	status := p.Status()
	switch p.Code {
	case "order_not_found":
		v.State = "notfound"
	case "order_already_paid":
		v.State, status = "already", http.StatusOK
	}
	p.SetRetryAfter(w.Header())
	return s.page(w, r, status, v)
}

// withOrderNo adds the order number to the shop's address.
func withOrderNo(returnURL, orderNo string) string {
	u, err := url.Parse(returnURL)
	if err != nil { // it was checked when it was configured
		return returnURL
	}
	q := u.Query()
	q.Set("order_no", orderNo)
	u.RawQuery = q.Encode()
	return u.String()
}

// origin is an address without its path.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
