package adminapi

import (
	"context"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = ledger.Scope{App: "app_1", Mode: ledger.Live}

// desk is a server over a ledger in a file, with its client.
type desk struct {
	t      *testing.T
	file   string
	ledger ledger.Ledger
	server *Server
	*Client
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ledger.db")
	l := must(sqlite.Open(t.Context(), sqlite.Options{File: file}))
	d := &desk{t: t, file: file, ledger: l, server: New(Config{
		Ledger:   func(context.Context) (ledger.Ledger, error) { return l, nil },
		Scopes:   func() []ledger.Scope { return []ledger.Scope{scope, {App: "app_1", Mode: ledger.Test}} },
		Unpriced: func([]ledger.Scope, string) (payment.Unpriced, bool) { return payment.Unpriced{}, false },
	})}
	srv := httptest.NewServer(d.server)
	t.Cleanup(func() {
		srv.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	d.Client = NewClient(Endpoint{HTTP: srv.Client(), URL: srv.URL})
	return d
}

// event records one that goes through states: delivered, dead, held, filtered, or pending if there is none.
func (d *desk) event(id, kind, orderNo string, fen int64, states ...ledger.State) {
	d.t.Helper()
	now := time.Now()
	object := fmt.Sprintf(`{"id":"ch_%[1]s","object":"charge","livemode":true,"app":"app_1","paid":true,"refunded":false,"reversed":false,"amount":%[2]d,"currency":"cny","order_no":"%[3]s","channel":"wx_lite","created":1,"time_paid":2}`, id, fen, orderNo)
	rank := 0
	if strings.HasPrefix(kind, "refund.") {
		rank = 1
		object = fmt.Sprintf(`{"id":"re_%[1]s","object":"refund","amount":%[2]d,"succeed":true,"status":"succeeded","charge":"ch_%[3]s","created":1,"time_succeed":2}`, id, fen, orderNo)
	}
	e := &ledger.Event{Scope: scope, ID: "evt_" + id, Type: kind, ObjectID: "obj_" + id, OrderNo: orderNo, Lane: orderNo, Rank: rank, Source: ledger.Webhook, State: ledger.Pending,
		Created: now, Received: now, Due: now, Body: []byte(fmt.Sprintf(`{"id":"evt_%s","object":"event","type":"%s","livemode":true,"data":{"object":%s}}`, id, kind, object))}
	if kind == "charge.succeeded" {
		e.ChargeID, e.ObjectID, e.Number = "ch_"+id, "ch_"+id, id
		e.Change, e.Payment = &ledger.ChargeChange{Paid: true, TimePaid: now}, &ledger.Payment{Amount: fen, Currency: "cny", Time: now}
	}
	if len(states) > 0 && (states[0] == ledger.Held || states[0] == ledger.Filtered) {
		e.State, states = states[0], states[1:]
	}
	if _, err := d.ledger.Append(d.t.Context(), e); err != nil {
		d.t.Fatal(err)
	}
	for _, state := range states {
		d.settle(id, state)
	}
}

// settle ends the delivery of a pending event.
func (d *desk) settle(id string, state ledger.State) {
	d.t.Helper()
	now := time.Now()
	if must(d.ledger.Event(d.t.Context(), scope, "evt_"+id)).State != ledger.Pending {
		d.decide(ledger.ActionReplay, id)
	}
	must(d.ledger.Claim(d.t.Context(), ledger.Claim{Scope: scope, Owner: "relay", Now: now.Add(time.Hour), Until: now.Add(time.Minute), Limit: 1000}))
	if err := d.ledger.Settle(d.t.Context(), "relay", ledger.Delivery{Scope: scope, EventID: "evt_" + id, Attempt: 1, At: now, State: state}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) decide(action ledger.Action, id string) {
	d.t.Helper()
	if err := d.ledger.Decide(d.t.Context(), ledger.Decision{Scope: scope, EventID: "evt_" + id, Action: action, Now: time.Now()}); err != nil {
		d.t.Fatal(err)
	}
}

// states are those of events, in the order of the ids.
func (d *desk) states(ids ...string) (states []string) {
	d.t.Helper()
	for _, id := range ids {
		states = append(states, string(must(d.ledger.Event(d.t.Context(), scope, "evt_"+id)).State))
	}
	return states
}

// carry runs what carries runs out, until stop is called.
func (d *desk) carry(owner string) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.server.Carry(ctx, owner, zap.NewNop()) }()
	stop = func() { cancel(); <-done }
	d.t.Cleanup(stop)
	return stop
}

// until waits for a run to be as wanted.
func (d *desk) until(id, what string, is func(*RunView) bool) *RunView {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		run := must(d.Run(d.t.Context(), id))
		if is(run) {
			return run
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: %+v", what, run)
		}
	}
}

func ended(r *RunView) bool { return !r.Ended.IsZero() }

// decisions are the events about which a run has decided, in that order, by where it stands in the audit log.
func (d *desk) decisions(run string) (ids []string) {
	d.t.Helper()
	for _, a := range auditOf(d.t, d.file, run) {
		ids = append(ids, a.event)
		if a.by != "address 127.0.0.1" || a.said != "mark" || a.reason != "the shop was down" {
			d.t.Errorf("%+v", a)
		}
	}
	return ids
}

type audited struct{ event, by, said, reason string }

// auditOf reads a run's part of the audit log where it is.
func auditOf(t *testing.T, file string, run string) (all []audited) {
	t.Helper()
	db := must(sql.Open("sqlite", "file:"+file+"?mode=ro"))
	defer db.Close()
	rows := must(db.Query(`SELECT e.id, a.by, a.said, a.reason FROM audit a JOIN events e ON e.seq = a.event WHERE a.run = ? ORDER BY a.seq`, run))
	defer rows.Close()
	for rows.Next() {
		var a audited
		if err := rows.Scan(&a.event, &a.by, &a.said, &a.reason); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}
