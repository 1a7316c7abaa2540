// Package ledgertest is the one test suite of all implementations of [ledger.Ledger]: each sentence of that interface's
// documentation, and what must hold when many callers, or several processes, come at once.
// It has a file for each theme of that documentation; they share what makes events, charges and refunds, and are entered by [Run] and [RunShared] alone.
package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Run tests an implementation; open returns an empty ledger that was opened long before 2026, and closes it when the test has ended.
func Run(t *testing.T, open func(t *testing.T) ledger.Ledger) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, l ledger.Ledger)
	}{
		{"append/every field comes back", testEventFields},
		{"append/an id is recorded once", testDuplicate},
		{"append/times that no calendar knows", testTimes},
		{"append/an effect happens once", testEffectOnce},
		{"append/order number, lane and host of our charge", testOrderFromCharge},
		{"append/held and filtered events claim their effect", testEffectOfUndelivered},
		{"append/changes the charge by its id", testChangeByID},
		{"append/changes the charge by its number before the id is known", testChangeByNumber},
		{"append/nothing is taken back", testChangeStays},
		{"append/refuses malformed events", testAppendRefuses},
		{"append/many at once", testAppendConcurrent},
		{"append/a canceled call records nothing", testAppendCanceled},
		{"money/amount and currency", testMoneyMismatch},
		{"money/a mismatch that is delivered", testMoneyDeliver},
		{"money/of a type that is not wanted", testMoneyUnwanted},
		{"money/superseded at another price", testMoneySuperseded},
		{"money/paid twice", testMoneyPaidTwice},
		{"money/foreign charges", testMoneyForeign},
		{"money/a foreign charge that is ours", testMoneyForeignIsOurs},
		{"money/late", testMoneyLate},
		{"money/refunds of a held payment", testRefundOfHeld},
		{"money/reversal of a held payment", testReversalOfHeld},
		{"money/paid after a held payment was refunded whole", testPaidAfterRefundedWhole},
		{"money/a refund that came before its payment was held", testRefundBeforeHeld},
		{"money/a payment supersedes the other attempts", testPaymentSupersedes},
		{"money/paid and reversed", testPaidAndReversed},
		{"money/refunded whole before it was sent", testRefundedBeforeSent},
		{"money/reversed before it was sent", testReversedBeforeSent},
		{"money/refunds of a dead payment", testRefundOfDead},
		{"money/refunded before its payment was held", testRefundedExactlyBeforeHeld},
		{"money/refunds that wait for a held payment", testWithheldRefunds},
		{"money/refunded while it is replayed", testRefundedWhileReplayed},
		{"money/reversed by an event", testReversedByEvent},
		{"money/superseded without a price", testSupersededWithoutPrice},
		{"lanes/in order", testLaneOrder},
		{"lanes/a stuck one", testLaneStuck},
		{"lanes/only what is pending blocks", testLaneOnlyPendingBlocks},
		{"lanes/an earlier event that arrives later", testLaneEarlierLater},
		{"lanes/delivered by another", testLaneDeliveredByOther},
		{"lanes/a payment whose charge is another order's", testLaneOfForeign},
		{"decide/what each state allows", testDecideStates},
		{"decide/replay", testReplay},
		{"decide/replay in a lane", testReplayInLane},
		{"decide/discard a pending event", testDiscardPending},
		{"decide/release", testReleaseHeld},
		{"decide/discard a payment", testDiscardPayment},
		{"events/list", testEventsList},
		{"events/limits", testEventsLimits},
		{"lists/events while others come", testEventPages},
		{"lists/which events", testEventFilters},
		{"lists/charges", testChargeLists},
		{"lists/orders", testOrderLists},
		{"lists/refunds", testRefundLists},
		{"lists/audit", testAudit},
		{"orders/by any name", testFind},
		{"orders/by a name of a charge that is ours after all", testFindAdopted},
		{"orders/all that is known", testLife},
		{"orders/the last of many deliveries", testLongLife},
		{"figures/money at risk", testRisk},
		{"figures/money that goes back", testRiskReturns},
		{"figures/all", testFigures},
		{"figures/the oldest", testOldest},
		{"figures/hours", testHours},
		{"pause", testPause},
		{"prune", testPrune},
		{"queries/claim", testClaimQueries},
		{"queries/kinds", testQueryKinds},
		{"queries/end with payment or reversal", testQueriesEnd},
		{"queries/end with an event", testEventsEndQueries},
		{"queries/a client's note", testNoteAsksNow},
		{"queries/unknown attempts", testUnknownQueries},
		{"queries/taken numbers", testTaken},
		{"orders/a number that another order has elsewhere", testNumberOfAnotherOrder},
		{"queries/superseded attempts are due at once", testSupersededQueries},
		{"charges/created in a time", testChargesCreated},
		{"sweeps/progress", testSweepProgress},
		{"sweeps/lease", testSweepLease},
		{"runs", testRuns},
		{"runs/owners", func(t *testing.T, l ledger.Ledger) { testRunsConcurrent(t, l, l) }},
		{"runs/decide once", testRunDecides},
		{"scopes/never meet", testScopes},
		{"claim/oldest due first, up to the limit", testClaimOrder},
		{"claim/only what is pending, due and free", testClaimOnly},
		{"claim/a lease that ran out can be taken over", testClaimTakeOver},
		{"claim/renew prolongs", testRenew},
		{"claim/many at once share nothing", func(t *testing.T, l ledger.Ledger) { testClaimConcurrent(t, l, l) }},
		{"claim/with the recording", testLent},
		{"claim/with the recording, only what could be claimed", testLentOnly},
		{"claim/with the recording, not what takes a payment back", testLentWentBack},
		{"settle/delivered", testSettleDelivered},
		{"settle/the first, delivered", testSettleFirst},
		{"settle/again", testSettleRetry},
		{"settle/dead", testSettleDead},
		{"settle/uncounted", testUncounted},
		{"settle/the backend is back", testResume},
		{"settle/the backend is back, for what waits", testResumeSignals},
		{"settle/counts only for the owner", testSettleOwner},
		{"settle/delivered counts whoever says so", testSettleDeliveredByOther},
		{"settle/refuses other states and unknown events", testSettleRefuses},
		{"next due", testNextDue},
		{"reserve/numbers and attempts", testReserveNumbers},
		{"reserve/one holder at a time", testReserveHeld},
		{"reserve/a reservation that ran out", testReserveTakeOver},
		{"reserve/extend", testExtend},
		{"reserve/release", testRelease},
		{"reserve/release when it is no longer held", testReleaseLate},
		{"reserve/release of a number that was paid", testReleasePaid},
		{"charges/what a payer may still pay", testPayable},
		{"reserve/numbers that are taken", testReserveNumberTaken},
		{"reserve/a failing callback harms nobody", testReservePanic},
		{"reserve/50 at once", func(t *testing.T, l ledger.Ledger) { testReserveConcurrent(t, l, l) }},
		{"created/every field comes back", testCreatedFields},
		{"created/supersedes unpaid attempts", testCreatedSupersedes},
		{"created/after the reservation ran out", testCreatedLate},
		{"created/never takes a payment back", testCreatedAfterPaid},
		{"created/refuses unknown numbers and second ids", testCreatedRefuses},
		{"charges/unknown", testChargesUnknown},
		{"charges/note client", testNoteClient},
		{"refunds/every field comes back", testRefundFields},
		{"refunds/a number is used once", testRefundNumber},
		{"refunds/never more than was paid", testRefundExceeds},
		{"refunds/one after the other", testRefundSerial},
		{"refunds/a lease that ran out can be taken over", testRefundTakeOver},
		{"refunds/an event that comes before the answer", testRefundToldFirst},
		{"refunds/a number that is only known by its event", testRefundLearned},
		{"refunds/failures", testRefundFails},
		{"refunds/what is told later", testRefundStays},
		{"refunds/of a charge that is not known yet", testRefundOfUnknownCharge},
		{"refunds/claim", testClaimRefunds},
		{"refunds/40 at once", func(t *testing.T, l ledger.Ledger) { testRefundConcurrent(t, l, l) }},
		{"unreadable/heard in another way", testUnreadableFirst},
		{"unreadable/refunds", testUnreadableRefund},
		{"unreadable/released", testUnreadableReleased},
		{"unreadable/discarded", testUnreadableDiscarded},
		{"unreadable/a payment that is none", testPaymentUnpaid},
		{"clock/leases that end too far ahead", testClockLeases},
		{"clock/decisions about them", testClockDecide},
		{"clock/refunds that are asked for", testClockRefunds},
		{"clock/what is due too late", testOverdue},
		{"orders/number and lane of their events", testOrderEvents},
		{"follows/a refund that comes before its payment", testRefundBeforePayment},
		{"follows/what takes back is delivered itself", testWhatTakesBackIsDelivered},
		{"follows/a look-up takes back", testQueriedTakesBack},
		{"follows/unreadable, then held", testUnreadableThenHeld},
		{"follows/unreadable, and counted by its id", testUnreadableByID},
		{"follows/held without an order", testHeldWithoutOrder},
		{"follows/a refund on its way", testRefundOnItsWay},
		{"follows/a refund that is asked for again", testRefundAskedAgain},
		{"follows/refunds are claimed one after the other", testClaimRefundsSerial},
		{"follows/the price of a late answer", testQuotesOfAnswers},
		{"follows/a duplicate", testDuplicateUntouched},
		{"follows/signals", testSignals},
		{"shipping/from when a payment is recorded", testShipmentRecorded},
		{"shipping/of a payment that comes before the answer", testShipmentBeforeAnswer},
		{"shipping/report and correct", testReportShipping},
		{"shipping/parts join until WeChat has them", testShippingParts},
		{"shipping/a process that ends between two steps of parts", testPartsDeaths},
		{"shipping/what cannot be reported", testReportRefused},
		{"shipping/step by step", testShippingSteps},
		{"shipping/the daily round", testShippingDaily},
		{"shipping/money that goes back", testShippingRefunded},
		{"shipping/money that goes back in part", testFrozenInPart},
		{"shipping/reported with the acknowledgement", testSettleReports},
		{"shipping/leases", testShipmentLeases},
		{"shipping/a process that ends between two steps", testShippingDeaths},
		{"shipping/many at once post once", func(t *testing.T, l ledger.Ledger) { testShippingConcurrent(t, l, l) }},
		{"shipping/reported again by a person", testReportAgain},
		{"shipping/what nobody reported", testFindUnshipped},
		{"shipping/payments of which nobody knows whether they are owed", testDoubtedShipments},
		{"shipping/prune and clock", testShipmentsPruned},
		{"audit/pages", testAuditPages},
		{"shipping/pages", testShipmentPages},
		{"shipping/what is due next", testShippingNext},
		{"fenced/events", testFencedEvents},
		{"fenced/look-ups", testFencedQueries},
		{"fenced/searches", testFencedSearches},
		{"fenced/reservations", testFencedReservations},
		{"fenced/refunds", testFencedRefunds},
		{"fenced/shipments", testFencedShipments},
		{"fenced/runs", testFencedRuns},
		{"fenced/sweeps", testFencedSweeps},
		{"logins", testLogins},
		{"watch", testWatch},
		{"close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// RunShared tests two handles on one ledger, as two processes or two configurations have them; open returns an empty one.
func RunShared(t *testing.T, open func(t *testing.T) (a, b ledger.Ledger)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b ledger.Ledger)
	}{
		{"append", testSharedAppend},
		{"claim", testClaimConcurrent},
		{"reserve", testReserveConcurrent},
		{"takeover", testSharedTakeOver},
		{"lanes", testSharedLanes},
		{"paid twice", testSharedPaidTwice},
		{"queries", testSharedQueries},
		{"refunds", testRefundConcurrent},
		{"runs", testRunsConcurrent},
		{"pause", testSharedPause},
		{"shipping", testShippingConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			c.test(t, a, b)
		})
	}
}

var (
	live  = ledger.Scope{App: "app_1", Mode: ledger.Live}
	test  = ledger.Scope{App: "app_1", Mode: ledger.Test}
	other = ledger.Scope{App: "app_2", Mode: ledger.Live}

	noon = time.Date(2026, 11, 23, 12, 0, 0, int(7*time.Millisecond), time.UTC)
)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// event returns a pending event of a type whose effect is its id.
func event(s ledger.Scope, id string) *ledger.Event {
	return &ledger.Event{Scope: s, ID: id, Type: "charge.reversed", ObjectID: "ch_" + id, State: ledger.Pending,
		Source: ledger.Webhook, Received: noon, Due: noon, Body: []byte(`{"id":"` + id + `"}`)}
}

// paid returns the event of a charge's payment.
func paid(s ledger.Scope, id, charge, number string) *ledger.Event {
	e := event(s, id)
	e.Type, e.ObjectID, e.ChargeID, e.Number = "charge.succeeded", charge, charge, number
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: noon}
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: noon}
	return e
}

// numbers proposes the order number itself, then with a suffix.
func numbers(orderNo string) func(attempts, try int) string {
	return func(attempts, try int) string {
		if attempts+try == 0 {
			return orderNo
		}
		return fmt.Sprintf("%s-%d-%d", orderNo, attempts, try)
	}
}

func reservation(s ledger.Scope, orderNo string, now, until time.Time) ledger.Reservation {
	return ledger.Reservation{Scope: s, OrderNo: orderNo, Now: now, Until: until, Number: numbers(orderNo)}
}

func reserve(t *testing.T, l ledger.Ledger, orderNo string, now, until time.Time) *ledger.Reserved {
	t.Helper()
	r, err := l.Reserve(t.Context(), reservation(live, orderNo, now, until))
	must(t, err)
	return r
}

// charge creates a charge from reservation to answer.
func charge(t *testing.T, l ledger.Ledger, orderNo, id string) *ledger.Charge {
	t.Helper()
	r := reserve(t, l, orderNo, noon, at(30))
	c := &ledger.Charge{Scope: live, OrderNo: orderNo, Number: r.Number, ID: id, Channel: "wx_lite", Host: "shop.example.com", Amount: 100, Currency: "cny",
		Created: noon, TimeExpire: at(7200), Raw: []byte(`{"id":"` + id + `"}`)}
	must(t, l.Created(t.Context(), c))
	return c
}

func add(t *testing.T, l ledger.Ledger, e *ledger.Event, want ledger.Appended) {
	t.Helper()
	got, err := l.Append(t.Context(), e)
	must(t, err)
	if got != want {
		t.Fatalf("append of %s in %s: %s, want %s", e.ID, e.Scope.Key(), got, want)
	}
}

func getEvent(t *testing.T, l ledger.Ledger, s ledger.Scope, id string) *ledger.Event {
	t.Helper()
	e, err := l.Event(t.Context(), s, id)
	must(t, err)
	return e
}

func getCharge(t *testing.T, l ledger.Ledger, id string) *ledger.Charge {
	t.Helper()
	c, err := l.Charge(t.Context(), live, id)
	must(t, err)
	return c
}

func attempts(t *testing.T, l ledger.Ledger, orderNo string) []ledger.Charge {
	t.Helper()
	cs, err := l.Attempts(t.Context(), live, orderNo)
	must(t, err)
	return cs
}

func claim(t *testing.T, l ledger.Ledger, owner string, now, until time.Time, limit int) (ids []string) {
	t.Helper()
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: owner, Now: now, Until: until, Limit: limit})
	must(t, err)
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	return ids
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// show writes a value whole: an event or a charge printed with %v is only its scope.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := show(got), show(want); g != w {
		t.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}
