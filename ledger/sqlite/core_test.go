package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestIndexesMeanCore: what the indexes of charges say in SQL is what core says, for every kind of row.
func TestIndexesMeanCore(t *testing.T) {
	l := openFile(t, newFile(t))
	type said struct {
		core.Charge
		kind   ledger.QueryKind
		lapsed time.Time
	}
	moments := []int64{0, 1000, 2000}
	rows := 0
	for _, state := range []ledger.AttemptState{ledger.Reserving, ledger.Open, ledger.Unknown, ledger.Taken, ledger.Refused, ledger.Foreign} {
		for _, next := range moments[1:] { // only those that are looked up are in the index
			for _, client := range moments {
				for _, expire := range moments {
					for queries := range 2 {
						for superseded := range 2 {
							c := ask(t, l, `WITH charges AS (SELECT 7 AS seq, 'o' AS order_no, 'o' AS number, ? AS state, NULL AS id, '' AS channel,
								'' AS payer, '' AS payer_app, 1 AS amount, 'cny' AS currency, '' AS host, 1500 AS created, ? AS time_expire, ? AS superseded, 0 AS paid, 0 AS time_paid,
								0 AS amount_refunded, 0 AS reversed, '' AS client_result, ? AS client_at, ? AS queries, ? AS next_query, '' AS fingerprint, 0 AS reserved_until,
								0 AS amount_paid, 0 AS payment, 0 AS hold, 0 AS query_until, '' AS transaction_no, 0 AS logged_in)
								SELECT `+chargeColumns+`, `+queryKind+`, `+lapses+` FROM charges`, func(r *row) said {
								return said{readCharge(r, scope), ledger.QueryKind(r.count()), r.time()}
							}, string(state), expire, superseded, client, queries, next)
							rows++
							if c.Kind() != c.kind || !c.Lapses().Equal(c.lapsed) || c.Seq != 7 {
								t.Errorf("%s, due at %s, expires %s, noted %s, %d queries, superseded %t: kind %d, lapses %s; core says %d, %s", c.State, c.NextQuery,
									c.TimeExpire, c.Client.At, c.Queries, c.Superseded, c.kind, c.lapsed, c.Kind(), c.Lapses())
							}
						}
					}
				}
			}
		}
	}
	if rows != 432 {
		t.Errorf("%d rows", rows)
	}
}
