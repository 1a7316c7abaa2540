package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestJudge: what becomes of an event, by what is known of its charge and its order.
func TestJudge(t *testing.T) {
	type verdict struct {
		State   ledger.State
		Reasons []string
		Late    string
		Settled time.Time
		Hold    Hold
	}
	pending := verdict{State: ledger.Pending}
	held := func(reasons ...string) verdict {
		return verdict{State: ledger.Held, Reasons: reasons, Hold: Awaits}
	}
	quote := func(amount int64, currency string) ledger.Quote {
		return ledger.Quote{Amount: amount, Currency: currency, At: at(-10)}
	}
	superseded := with(open(), func(c *Charge) { c.Superseded = true })
	another := with(open(), func(c *Charge) { c.Seq, c.ID, c.Number, c.Paid, c.PaidAmount = 2, "ch_2", "o2", true, 100 })
	for name, c := range map[string]struct {
		event *ledger.Event
		books Books
		want  verdict
	}{
		"as our charge says":                           {payment(), Books{Charges: []Charge{open()}}, pending},
		"of a charge that we never saw":                {payment(), Books{}, pending},
		"of another amount":                            {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 101 })}}, held("amount")},
		"of another currency":                          {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Currency = "usd" })}}, held("currency")},
		"currencies have no case":                      {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Currency = "CNY" })}}, pending},
		"of another amount, foreign":                   {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.State, c.Amount = ledger.Foreign, 1 })}}, held("amount")},
		"before Ping++ answered":                       {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.State, c.ID, c.Amount, c.Currency = ledger.Reserving, "", 0, "" })}}, pending},
		"superseded at the last price":                 {payment(), Books{Quote: quote(100, "CNY"), Charges: []Charge{superseded}}, pending},
		"superseded at another price":                  {payment(), Books{Quote: quote(99, "cny"), Charges: []Charge{superseded}}, held("superseded")},
		"superseded in another currency":               {payment(), Books{Quote: quote(100, "usd"), Charges: []Charge{superseded}}, held("superseded")},
		"superseded, and closed is all that was said":  {payment(), Books{Quote: ledger.Quote{Closed: true, At: at(99)}, Charges: []Charge{superseded}}, pending},
		"superseded, and nothing was said":             {payment(), Books{Charges: []Charge{superseded}}, pending},
		"the order is paid":                            {payment(), Books{Charges: []Charge{open(), another}}, held("paid_twice")},
		"the order was paid, and the money went back":  {payment(), Books{Charges: []Charge{open(), with(another, func(c *Charge) { c.Hold = WentBack })}}, pending},
		"the order was paid, by a charge we never saw": {payment(), Books{Charges: []Charge{with(another, func(c *Charge) { c.State = ledger.Foreign })}}, held("paid_twice")},
		"another order is paid":                        {payment(), Books{Charges: []Charge{open(), with(another, func(c *Charge) { c.OrderNo = "x" })}}, pending},
		"another attempt is not paid":                  {payment(), Books{Charges: []Charge{open(), with(another, func(c *Charge) { c.Paid = false })}}, pending},
		"paid and reversed":                            {with2(payment(), func(e *ledger.Event) { e.Change.Reversed = true }), Books{Charges: []Charge{open()}}, held("reversed")},
		"of a charge that was reversed":                {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Reversed = true })}}, held("reversed")},
		"for every reason": {payment(), Books{Quote: quote(1, "cny"), Charges: []Charge{another, with(superseded, func(c *Charge) { c.Amount, c.Currency, c.Reversed = 1, "usd", true })}},
			held("amount", "currency", "superseded", "paid_twice", "reversed")},
		"of a type that is not wanted": {with2(payment(), func(e *ledger.Event) { e.State, e.Reasons = ledger.Filtered, []string{"type"} }),
			Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 1 })}}, held("amount")},
		"a mismatch that is delivered": {with2(payment(), func(e *ledger.Event) { e.Deliver, e.Reasons = true, []string{"x"} }),
			Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 1 })}}, verdict{State: ledger.Pending, Reasons: []string{"x", "amount"}}},
		"reversed on purpose": {with2(payment(), func(e *ledger.Event) { e.Returned, e.Change.Reversed = true, true }), Books{Charges: []Charge{open()}},
			verdict{State: ledger.Discarded, Reasons: []string{"reversed"}, Settled: at(1), Hold: WentBack}},
		"on purpose, and nothing is wrong":  {with2(payment(), func(e *ledger.Event) { e.Returned = true }), Books{Charges: []Charge{open()}}, pending},
		"refunded whole before it was held": {payment(), Books{Charges: []Charge{open(), another}}, held("paid_twice")},
		"held, and its money is back": {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.AmountRefunded = 100 }), another}},
			verdict{State: ledger.Discarded, Reasons: []string{"paid_twice"}, Settled: at(1), Hold: WentBack}},
		"held, and a part is back": {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.AmountRefunded = 99 }), another}}, held("paid_twice")},
		"held, and nothing was paid": {with2(payment(), func(e *ledger.Event) { e.Payment.Amount = 0 }), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 0 }), another}},
			held("paid_twice")},
		"after its expiry":           {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.TimeExpire = at(-1) })}}, verdict{State: ledger.Pending, Late: "expired"}},
		"at its expiry":              {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.TimeExpire = noon })}}, pending},
		"without an expiry":          {payment(), Books{Charges: []Charge{with(open(), func(c *Charge) { c.TimeExpire = never })}}, pending},
		"after the order was closed": {payment(), Books{Quote: ledger.Quote{Closed: true, At: at(-10)}, Charges: []Charge{open()}}, verdict{State: ledger.Pending, Late: "closed"}},
		"just before the order was closed, by a clock that is not ours": {payment(), Books{Quote: ledger.Quote{Closed: true, At: noon}}, verdict{State: ledger.Pending, Late: "closed"}},
		"before the order was closed":                                   {with2(payment(), func(e *ledger.Event) { e.Payment.Time = at(-61) }), Books{Quote: ledger.Quote{Closed: true, At: noon}}, pending},
		"received before the order was closed":                          {payment(), Books{Quote: ledger.Quote{Closed: true, At: at(1)}}, pending},
		"a payment that says nothing":                                   {with2(payment(), func(e *ledger.Event) { e.Payment, e.Change = nil, nil }), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 1 })}}, pending},

		"a refund": {refund(1), Books{Charges: []Charge{open()}}, pending},
		"a refund of a held payment": {refund(1), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Hold = Awaits })}},
			verdict{State: ledger.Filtered, Reasons: []string{"payment_held"}, Hold: Awaits}},
		"a refund of a dead payment": {refund(1), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Hold = Unheard })}},
			verdict{State: ledger.Filtered, Reasons: []string{"payment_held"}, Hold: Unheard}},
		"a refund that is not wanted, of a held payment": {with2(refund(1), func(e *ledger.Event) { e.State, e.Reasons = ledger.Filtered, []string{"type"} }),
			Books{Charges: []Charge{with(open(), func(c *Charge) { c.Hold = Awaits })}}, verdict{State: ledger.Filtered, Reasons: []string{"type"}, Hold: Awaits}},
		"something else about a held payment": {with2(refund(0), func(e *ledger.Event) { e.Type = "charge.x" }), Books{Charges: []Charge{with(open(), func(c *Charge) { c.Hold = Awaits })}},
			verdict{State: ledger.Pending, Hold: Awaits}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(c.event)
			b.open(c.books, question(c.event), c.event)
			b.judge(c.event)
			equal(t, "verdict", verdict{c.event.State, c.event.Reasons, c.event.Late, c.event.Settled, b.hold}, c.want)
		})
	}
}

// with2 is with for what is pointed to.
func with2[T any](p *T, change func(*T)) *T {
	change(p)
	return p
}

// TestBooks: which charge an event is about, and which are its rivals.
func TestBooks(t *testing.T) {
	unanswered := with(open(), func(c *Charge) { c.State, c.ID = ledger.Reserving, "" })
	for name, c := range map[string]struct {
		event  *ledger.Event
		known  []Charge
		charge int64
		others []int64
	}{
		"nothing":                              {payment(), nil, 0, nil},
		"by its id":                            {payment(), []Charge{with(open(), func(c *Charge) { c.Seq = 3 })}, 3, nil},
		"by its number":                        {payment(), []Charge{unanswered}, 1, nil},
		"by its number, and it names no order": {with2(payment(), func(e *ledger.Event) { e.OrderNo = "" }), []Charge{unanswered}, 1, nil},
		"by its number, which it takes for the order's": {with2(payment(), func(e *ledger.Event) { e.OrderNo = "o-2"; e.Number = "o-2" }),
			[]Charge{with(unanswered, func(c *Charge) { c.Number = "o-2" })}, 1, nil},
		"a number that another order has elsewhere":   {with2(payment(), func(e *ledger.Event) { e.OrderNo = "x" }), []Charge{unanswered}, 0, nil},
		"without a number":                            {with2(payment(), func(e *ledger.Event) { e.Number = "" }), []Charge{with(unanswered, func(c *Charge) { c.Number = "" })}, 0, []int64{1}},
		"a foreign charge of its number":              {payment(), []Charge{with(open(), func(c *Charge) { c.State, c.ID = ledger.Foreign, "" })}, 0, []int64{1}},
		"the id is worth more than the number":        {payment(), []Charge{unanswered, with(open(), func(c *Charge) { c.Seq = 2 })}, 2, []int64{1}},
		"an answered charge of its number is another": {payment(), []Charge{with(open(), func(c *Charge) { c.ID = "ch_2" })}, 0, []int64{1}},
		"of another order":                            {payment(), []Charge{open(), with(open(), func(c *Charge) { c.Seq, c.ID, c.OrderNo = 2, "ch_2", "x" })}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(c.event)
			b.open(Books{Charges: c.known}, question(c.event), c.event)
			var charge int64
			if b.charge != nil {
				charge = b.charge.Seq
			}
			var others []int64
			for _, o := range b.others {
				others = append(others, o.Seq)
			}
			equal(t, "charge", charge, c.charge)
			equal(t, "others", others, c.others)
		})
	}
}

// TestQuestion: what is asked for about an event.
func TestQuestion(t *testing.T) {
	equal(t, "of a payment", question(payment()), Question{"o", "ch_1", "o", "o"})
	equal(t, "of one that is held", question(with2(payment(), func(e *ledger.Event) { e.State = ledger.Held })), Question{"o", "ch_1", "o", ""})
	equal(t, "of one about no charge", question(with2(payment(), func(e *ledger.Event) { e.ChargeID = "" })), Question{Lane: "o"})
	equal(t, "of one about nothing", question(with2(payment(), func(e *ledger.Event) { e.ChargeID, e.Lane = "", "" })), Question{})
}

// TestCorrect: what our record of a charge knows better than its event.
func TestCorrect(t *testing.T) {
	type fixed struct{ OrderNo, Lane, Host string }
	order := func(lane string) *ledger.Event {
		return with2(payment(), func(e *ledger.Event) { e.Type, e.OrderNo, e.Lane = "order.succeeded", "m", lane })
	}
	for name, c := range map[string]struct {
		event  *ledger.Event
		charge *Charge
		again  bool
		want   fixed
	}{
		"no charge":                       {payment(), nil, false, fixed{"o", "o", "event.example.com"}},
		"the same order":                  {payment(), ptr(open()), false, fixed{"o", "o", "shop.example.com"}},
		"a host that is not known":        {payment(), ptr(with(open(), func(c *Charge) { c.Host = "" })), false, fixed{"o", "o", "event.example.com"}},
		"an order that is not known":      {payment(), ptr(with(open(), func(c *Charge) { c.OrderNo = "" })), false, fixed{"o", "o", "shop.example.com"}},
		"another order":                   {payment(), ptr(with(open(), func(c *Charge) { c.OrderNo = "x" })), true, fixed{"x", "x", "shop.example.com"}},
		"another order, a lane apart":     {with2(payment(), func(e *ledger.Event) { e.Lane = "l" }), ptr(with(open(), func(c *Charge) { c.OrderNo = "x" })), true, fixed{"x", "l", "shop.example.com"}},
		"a Ping++ order":                  {order("m"), ptr(open()), true, fixed{"m", "o", "shop.example.com"}},
		"a Ping++ order, in its lane":     {order("o"), ptr(open()), false, fixed{"m", "o", "shop.example.com"}},
		"a Ping++ order that never waits": {order(""), ptr(open()), false, fixed{"m", "", "shop.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &books{charge: c.charge}
			equal(t, "again", b.correct(c.event), c.again)
			equal(t, "event", fixed{c.event.OrderNo, c.event.Lane, c.event.Host}, c.want)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// TestEffects: under what an event counts once, and how it is found.
func TestEffects(t *testing.T) {
	type entry struct {
		Counts, Seen, Overtakes   bool
		Hold                      Hold
		Claims, ByCharge, Blocked bool
		Due                       time.Time
	}
	for name, c := range map[string]struct {
		event  *ledger.Event
		charge *Charge
		ahead  bool
		want   entry
	}{
		"a payment":                        {payment(), ptr(open()), false, entry{Counts: true, Overtakes: true, ByCharge: true, Due: at(1)}},
		"a payment of an unseen charge":    {payment(), nil, true, entry{Counts: true, Overtakes: true, ByCharge: true, Blocked: true, Due: at(1)}},
		"a payment that was heard":         {payment(), ptr(with(open(), func(c *Charge) { c.Payment = 7 })), false, entry{Counts: true, Seen: true, Overtakes: true, ByCharge: true, Due: at(1)}},
		"a payment of another order":       {payment(), ptr(with(open(), func(c *Charge) { c.OrderNo = "x" })), false, entry{Counts: true, Overtakes: true, Due: at(1)}},
		"a payment that could not be read": {payment(), ptr(with(open(), func(c *Charge) { c.Hold = Unread })), false, entry{Counts: true, Overtakes: true, ByCharge: true, Due: at(1)}},
		"a payment that is held": {with2(payment(), func(e *ledger.Event) { e.State = ledger.Held }), ptr(open()), true,
			entry{Counts: true, Overtakes: true, ByCharge: true}},
		"a payment that is due later":   {with2(payment(), func(e *ledger.Event) { e.Due = at(9) }), ptr(open()), false, entry{Counts: true, Overtakes: true, ByCharge: true, Due: at(9)}},
		"a payment of something else":   {with2(payment(), func(e *ledger.Event) { e.ObjectID = "x" }), ptr(open()), false, entry{Overtakes: true, Claims: true, Due: at(1)}},
		"a payment that is none":        {with2(payment(), func(e *ledger.Event) { e.Change.Paid = false }), ptr(open()), false, entry{Overtakes: true, Claims: true, Due: at(1)}},
		"a payment that cannot be read": {with2(payment(), func(e *ledger.Event) { e.Reasons = []string{"unreadable"} }), ptr(open()), false, entry{Due: at(1)}},
		"a refund":                      {refund(1), ptr(open()), true, entry{Overtakes: true, Claims: true, Blocked: true, Due: at(1)}},
		"what counts by its id":         {with2(refund(1), func(e *ledger.Event) { e.Type = "x" }), ptr(open()), false, entry{Due: at(1)}},
		"a refund of a payment to be read": {refund(1), ptr(with(open(), func(c *Charge) { c.Hold = Unread })), false,
			entry{Overtakes: true, Hold: Unread, Claims: true, Due: at(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(c.event)
			b.ahead = c.ahead
			if c.charge != nil {
				b.charge, b.hold = c.charge, c.charge.Hold
			}
			e := event(*c.event)
			got := entry{Counts: b.counts, Seen: b.seen(), Overtakes: b.overtakes(c.event), Hold: b.hold}
			b.enter(e)
			got.Claims, got.ByCharge, got.Blocked, got.Due = e.Claims, e.ByCharge, e.Blocked, e.Due
			equal(t, "entry", got, c.want)
		})
	}
}

// TestOfRefund: whose events wait for a payment.
func TestOfRefund(t *testing.T) {
	for kind, want := range map[string]bool{"refund.succeeded": true, "refund.failed": true, "charge.succeeded": false, "order_refund.succeeded": false} {
		equal(t, kind, event(ledger.Event{Type: kind}).OfRefund(), want)
	}
	equal(t, "an order's refund", isOrder(&ledger.Event{Type: "order_refund.succeeded"}), true)
}
