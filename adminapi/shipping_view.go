package adminapi

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/shipping"
)

// ShipmentView is what WeChat has to know, and was told, of how a payment was shipped.
type ShipmentView struct {
	App           string           `json:"app"`
	Mode          string           `json:"mode"`
	Charge        string           `json:"charge"`
	OrderNo       string           `json:"order_no"`                 // the merchant's
	TransactionNo string           `json:"transaction_no,omitempty"` // WeChat's; absent: Ping++ has not told it yet
	Payer         string           `json:"payer,omitempty"`          // the start of the openid
	Amount        int64            `json:"amount"`                   // fen
	Refunded      int64            `json:"refunded,omitempty"`       // fen of them that the payer has back
	Paid          time.Time        `json:"paid"`
	State         string           `json:"state"`           // waiting, failed, reported, confirmed, settled, refunded or not_managed
	Frozen        bool             `json:"frozen"`          // WeChat keeps the money, as far as is known
	Stage         string           `json:"stage,omitempty"` // how far the last report has come: open, done or failed; absent: nothing was reported
	Deadline      time.Time        `json:"deadline"`        // when WeChat stops waiting for a report
	Shipping      *ledger.Shipping `json:"shipping,omitempty"`
	Recorded      time.Time        `json:"recorded,omitzero"`  // when that was reported here
	Reported      time.Time        `json:"reported,omitzero"`  // when WeChat last accepted something
	Uploads       int              `json:"uploads"`            // complete reports that WeChat has: it takes two, the second being the one correction
	Code          string           `json:"code,omitempty"`     // WeChat's errcode, or a word, while the report is not done
	Error         string           `json:"error,omitempty"`    // the same in words
	ErrorZH       string           `json:"error_zh,omitempty"` // and in Chinese
	Attempts      int              `json:"attempts"`           // how often WeChat was asked
	Next          time.Time        `json:"next,omitzero"`      // when it is asked next
	Paused        *ShippingPause   `json:"paused,omitempty"`   // why that is not sooner; absent: nothing is in the way
	May           []string         `json:"may"`                // what a person may do: again (report the same again), other (report something else)
}

// Kept is what WeChat keeps of it, in fen, as long as it is frozen.
func (s ShipmentView) Kept() int64 { return max(0, s.Amount-s.Refunded) }

// ShippingPause is why this process does not ask WeChat about the payments of a mini program for a while.
type ShippingPause struct {
	AppID string    `json:"appid"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Code  string    `json:"code"` // WeChat's errcode, or a word
	Why   string    `json:"why"`  // what WeChat answered, and what to do
	WhyZH string    `json:"why_zh"`
}

func viewShippingPause(p *shipping.Pause) *ShippingPause {
	v := &ShippingPause{AppID: p.AppID, Since: p.Since, Until: p.Until, Code: p.Code}
	v.Why, v.WhyZH = new(veil).problem(ledger.ShippingProblem{Text: p.EN, ZH: p.ZH})
	return v
}

// ShipmentPage is one page of a list, newest first.
type ShipmentPage struct {
	Shipments []ShipmentView `json:"shipments"`
	Listing
}

// ShipmentWhole is a shipment with all that WeChat was asked about it.
type ShipmentWhole struct {
	ShipmentView
	Asked []AskedView `json:"asked"` // oldest first
}

// AskedView is what WeChat was once asked, and what came of it.
type AskedView struct {
	Attempt  int              `json:"attempt"` // 1 is the first
	At       time.Time        `json:"at"`
	MS       float64          `json:"ms"`
	Step     string           `json:"step"`            // post (upload_shipping_info) or ask (get_order)
	Result   string           `json:"result"`          // accepted, told, not_found, transient, again, unknown, final or unmanaged; asking while it is under way
	State    string           `json:"state,omitempty"` // the shipment's after it
	Code     string           `json:"code,omitempty"`
	Error    string           `json:"error,omitempty"`
	ErrorZH  string           `json:"error_zh,omitempty"`
	Shipping *ledger.Shipping `json:"shipping,omitempty"` // what was posted
}

// FrozenView is money that WeChat keeps until shipping is reported and receipt confirmed, as far as is known.
type FrozenView struct {
	Amount       int64     `json:"amount"`     // fen
	Payments     int64     `json:"payments"`   // how many that is
	Due          int64     `json:"due"`        // payments without a complete report whose 48 hours run out within 12; of 6000 there may be more
	DueAmount    int64     `json:"due_amount"` // fen
	Late         int64     `json:"late"`       // those whose 48 hours have run out; likewise
	LateAmount   int64     `json:"late_amount"`
	NextDeadline time.Time `json:"next_deadline,omitzero"` // when the next of the former runs out
	Failed       int64     `json:"failed,omitempty"`       // payments whose report WeChat will not accept as it is: they wait for a person; of 3000 there may be more
	FailedAmount int64     `json:"failed_amount,omitempty"`
	FailedOrder  string    `json:"failed_order,omitempty"`  // the order of the one of these that was paid last
	FailedCode   string    `json:"failed_code,omitempty"`   // WeChat's errcode, or a word: why its report failed
	FailedWhy    string    `json:"failed_why,omitempty"`    // the same in words
	FailedWhyZH  string    `json:"failed_why_zh,omitempty"` // and in Chinese

	Paused []ShippingPause `json:"paused,omitempty"` // mini programs about which this process does not ask WeChat now
}

func viewShipment(s *ledger.Shipment, pauses []shipping.Pause) ShipmentView {
	v := ShipmentView{
		App: s.App, Mode: string(s.Mode), Charge: s.ChargeID, OrderNo: s.OrderNo, TransactionNo: s.TransactionNo, Amount: s.Amount, Refunded: s.Refunded, Paid: s.TimePaid,
		State: string(s.State), Frozen: s.State.Frozen(), Stage: string(s.Stage), Deadline: s.Deadline(), Shipping: s.Shipping, Recorded: s.Recorded, Reported: s.Reported,
		Uploads: s.Uploads, Code: s.Problem.Code, Attempts: s.Attempts, Next: s.Due, May: []string{},
	}
	if s.Payer != "" {
		v.Payer = redact.ShortID(s.Payer)
	}
	v.Error, v.ErrorZH = veilOf(s).problem(s.Problem)
	if p := shipping.PauseOf(pauses, s.PayerAppID); p != nil && !s.Due.IsZero() {
		v.Paused = viewShippingPause(p)
		if v.Next.Before(p.Until) {
			v.Next = p.Until
		}
		if s.Stage == ledger.ReportOpen && v.Code == "" {
			v.Code, v.Error, v.ErrorZH = v.Paused.Code, v.Paused.Why, v.Paused.WhyZH
		}
	}
	for _, other := range []bool{false, true} {
		if code, _ := judgeReport(s, other); code == "" {
			v.May = append(v.May, map[bool]string{false: "again", true: "other"}[other])
		}
	}
	return v
}

func viewShipped(s *ledger.Shipped, pauses []shipping.Pause) ShipmentWhole {
	w := ShipmentWhole{ShipmentView: viewShipment(&s.Shipment, pauses), Asked: make([]AskedView, 0, len(s.Attempts))}
	veil := veilOf(&s.Shipment)
	for i := range s.Attempts {
		a := &s.Attempts[i]
		v := AskedView{
			Attempt: a.N, At: a.At, MS: float64(a.Took.Microseconds()) / 1000, Step: string(a.Step), Result: string(a.Result), State: string(a.State), Code: a.Problem.Code, Shipping: a.Shipping,
		}
		v.Error, v.ErrorZH = veil.problem(a.Problem)
		w.Asked = append(w.Asked, v)
	}
	return w
}

// veilOf stands before what WeChat said of a payment.
func veilOf(s *ledger.Shipment) *veil {
	v := new(veil)
	v.know(s.Payer)
	return v
}

// problem is what did not go well, as it is shown, in English and in Chinese.
func (v *veil) problem(p ledger.ShippingProblem) (en, zh string) {
	en, _ = v.words(p.Text)
	zh, _ = v.words(p.ZH)
	return en, zh
}

// ofShipment tells what was reported of a payment, what WeChat said, and what is to come.
func ofShipment(s *ShipmentWhole, now time.Time) (t []Entry) {
	add := func(at time.Time, kind string, text string) *Entry {
		t = append(t, Entry{At: at, Kind: kind, Charge: s.Charge, Text: text})
		return &t[len(t)-1]
	}
	switch {
	case s.Shipping != nil:
		add(s.Recorded, "shipping", "the shipping of "+s.Charge+" was reported: "+shippedAs(s.Shipping))
	case !s.Recorded.IsZero(): // by the backend's answer, or by auto
		add(s.Recorded, "shipping", "what was to be reported of "+s.Charge+" is no report: "+s.Error)
	}
	for i := range s.Asked {
		a := &s.Asked[i]
		e := add(a.At, "wechat", "WeChat was asked what became of "+s.Charge)
		if e.Asked = a; a.Step == string(ledger.ShippingPost) {
			e.Text = "WeChat was told how " + s.Charge + " was shipped"
			if a.Shipping != nil && !a.Shipping.Same(s.Shipping) { // else that stands where it was reported
				e.Text += " (" + shippedAs(a.Shipping) + ")"
			}
		}
		e.Text += fmt.Sprintf(" in %.1f ms: %s", a.MS, a.Result)
		if a.State != "" {
			e.Text += ", it is " + a.State
		}
		if a.Error != "" {
			e.Text += "; " + a.Error
		}
	}
	if !s.Next.IsZero() {
		text := "WeChat is asked what became of " + s.Charge
		if s.Stage == string(ledger.ReportOpen) {
			text = "WeChat is told how " + s.Charge + " was shipped"
		}
		add(s.Next, "wechat", text).Ahead = true
	}
	if s.State == string(ledger.ShipmentWaiting) || s.State == string(ledger.ShipmentFailed) {
		e := add(s.Deadline, "deadline", "the 48 hours ran out in which WeChat wants the shipping of "+s.Charge+" reported")
		if e.Ahead = s.Deadline.After(now); e.Ahead {
			e.Text = "the 48 hours run out in which WeChat wants the shipping of " + s.Charge + " reported"
		}
	}
	return t
}

// shippedAs says what was reported, in a line.
func shippedAs(s *ledger.Shipping) string {
	text := fmt.Sprintf("%s, %s", s.Type, s.Items)
	for _, p := range s.Parcels {
		text += ", " + p.Company + " " + p.TrackingNo
	}
	if !s.Complete {
		text += "; more is to follow"
	}
	return text
}
