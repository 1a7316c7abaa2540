// Package shipping emulates WeChat's order and shipping management of one mini program (小程序发货信息管理): its payments, whose money
// waits until shipping was reported and received. It knows neither HTTP nor access tokens; a refusal is an errcode.
//
// # What is like the real thing
//
// A program is managed or not. Payments of one that is not are never known (10060001), also when it is managed later. Those of a managed
// one become known 10 s after they were made (divided by the time scale; a lever sets another delay).
//
// A complete report moves an order from 1 (to ship) to 2 (shipped). The buyer's confirmation, or 10 days after an express report and 2 after
// another, makes it 3, and ten minutes later 4 (all divided by the time scale). A complaint holds that up. A payment that was refunded whole
// can be shipped no more at once (10060004), and shows it (5) a day later, as at WeChat.
//
// Parts of a split delivery are merged by their tracking_no. After a complete report, or with another delivery_mode or logistics_type than
// the parts before, a report is the one correction, and replaces what there was; another is refused (10060003), as is a part of what is
// complete (10060002). The same content again is 10060023 and spends nothing. upload_time has to grow, and to be later than the payment
// (268485216). Fields are checked before the payment is looked for.
//
// What WeChat answers to an express_company that is no code, and to a parcel of SF without a contact, is not known: 47001 stands for both.
package shipping

import (
	"slices"
	"sync"
	"time"

	"github.com/caddypay/caddypay/sandbox/store"
)

// The states of an order.
const (
	toShip    = 1
	shipped   = 2
	confirmed = 3
	done      = 4
	refunded  = 5
	toSettle  = 6
)

// Waits, before scaling.
const (
	knownAfter      = 10 * time.Second // the payment
	confirmsExpress = 10 * 24 * time.Hour
	confirmsOther   = 2 * 24 * time.Hour
	settlesAfter    = 10 * time.Minute
	showsRefund     = 24 * time.Hour
)

// Config is what a Book needs.
type Config struct {
	AppID     string // the mini program's
	Merchant  string // the number of the merchant whom it pays
	Managed   bool   // from the beginning
	TimeScale float64
	Now       func() time.Time
}

// Payment is a payment in the mini program.
type Payment struct {
	TransactionNo string // WeChat's
	OrderNo       string // the merchant's
	OpenID        string
	Description   string
	Amount        int64 // fen
	Created, Paid time.Time
}

// Book is all orders of the mini program. It is safe for concurrent use.
type Book struct {
	cfg Config

	mu      sync.Mutex // guards all below
	orders  store.Of[*order]
	numbers map[string]*order // by the merchant's number; of several the newest
	program Program
}

// Program is what is set for the mini program.
type Program struct {
	Managed    bool   `json:"managed"`           // whether WeChat holds its money until shipping is reported
	Confirmed  bool   `json:"confirmed"`         // whether its merchant numbers are authorised, each of them
	Delay      int64  `json:"delay_ms"`          // after a payment, until it is known
	DetailPath string `json:"order_detail_path"` // of the page that shows an order
	JumpPath   string `json:"msg_jump_path"`     // of the page that the shipping message opens
}

// order is a payment and what became of it.
type order struct {
	Payment
	known     time.Time // from when on WeChat knows it
	complaint bool
	refunded  bool
	state     int
	next      int       // the state that follows by itself
	due       time.Time // and when; the zero time: never

	mode, kind          int
	complete, corrected bool
	parcels             []parcel
	uploaded            time.Time // the upload_time of the last report
	uploads             int       // reports that changed something
}

// parcel is an entry of a shipping_list.
type parcel struct {
	TrackingNo string   `json:"tracking_no"`
	Company    string   `json:"express_company"`
	Items      string   `json:"goods_desc"`
	Uploaded   int64    `json:"upload_time"` // Unix seconds
	Contact    *contact `json:"contact,omitempty"`
}

type contact struct {
	Consignor string `json:"consignor_contact,omitempty"`
	Receiver  string `json:"receiver_contact,omitempty"`
}

// New returns a book without orders.
func New(cfg Config) *Book {
	b := &Book{cfg: cfg, numbers: map[string]*order{}, program: Program{Managed: cfg.Managed, Confirmed: cfg.Managed}}
	b.program.Delay = b.scaled(knownAfter).Milliseconds()
	return b
}

func (b *Book) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / b.cfg.TimeScale)
}

// Paid takes in a payment. Those of a program that is not managed are none of WeChat's business.
func (b *Book) Paid(p Payment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.program.Managed {
		return
	}
	o := &order{Payment: p, state: toShip, known: p.Paid.Add(time.Duration(b.program.Delay) * time.Millisecond)}
	b.numbers[p.OrderNo] = o
	for _, old := range b.orders.Add(p.TransactionNo, o) {
		if b.numbers[old.OrderNo] == old {
			delete(b.numbers, old.OrderNo)
		}
	}
}

// Refunded takes in that a payment went back whole.
func (b *Book) Refunded(transactionNo string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o, ok := b.orders.Get(transactionNo); ok {
		o.refunded = true
		o.follow(refunded, b.cfg.Now().Add(b.scaled(showsRefund)))
	}
}

// look moves an order on by itself.
func (b *Book) look(o *order) {
	now := b.cfg.Now()
	for !o.due.IsZero() && !now.Before(o.due) && (!o.complaint || o.next == refunded) {
		b.move(o, o.next, o.due)
	}
}

// move gives an order a state, and says what follows on it.
func (b *Book) move(o *order, state int, at time.Time) {
	o.state = state
	switch state {
	case shipped:
		wait := confirmsOther
		if o.kind == express {
			wait = confirmsExpress
		}
		o.follow(confirmed, at.Add(b.scaled(wait)))
	case confirmed, toSettle:
		o.follow(done, at.Add(b.scaled(settlesAfter)))
	default:
		o.due = time.Time{}
	}
}

// follow says what follows by itself, unless the money has gone back already.
func (o *order) follow(state int, due time.Time) {
	if !o.refunded || state == refunded {
		o.next, o.due = state, due
	}
}

// find finds what WeChat knows of a payment.
func (b *Book) find(o *order, ok bool) (*order, int) {
	if !ok || !b.program.Managed || b.cfg.Now().Before(o.known) {
		return nil, 10060001
	}
	b.look(o)
	return o, 0
}

func (b *Book) byTransaction(no string) (*order, int) {
	o, ok := b.orders.Get(no)
	return b.find(o, ok)
}

func (b *Book) byNumber(merchant, no string) (*order, int) {
	o, ok := b.numbers[no]
	return b.find(o, ok && merchant == b.cfg.Merchant)
}

// holds reports whether a parcel of the same content is there, whenever it was reported.
func (o *order) holds(p parcel) bool {
	return slices.ContainsFunc(o.parcels, func(have parcel) bool {
		same := have.TrackingNo == p.TrackingNo && have.Company == p.Company && have.Items == p.Items
		return same && (have.Contact == nil) == (p.Contact == nil) && (p.Contact == nil || *have.Contact == *p.Contact)
	})
}
