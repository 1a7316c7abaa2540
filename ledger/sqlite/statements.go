package sqlite

// reads and writes are all statements that the two kinds of connections use. They are prepared once.
var (
	reads = []string{
		sqlScope, sqlEvent, sqlDeliveries, sqlNextDue, sqlByOrder, sqlPayments, sqlByState, sqlByType, sqlLast, sqlReceived, sqlOldBodies, sqlOldAnswers,
		sqlCharge, sqlAttempts, sqlPayable, sqlChargesCreated, sqlRefunds, sqlRefundsOf, sqlRefundsOfCharge, sqlLogin, sqlEventsAhead, sqlChargesAhead,
		sqlRefundsAhead,
	}
	writes = []string{
		sqlScope, sqlAddScope, sqlCount,
		sqlBooks, sqlAddEvent, sqlAddBody, sqlEventRow, sqlEventAt, sqlSetEvent, sqlSetBlocked, sqlSent, sqlEffectSeen, sqlUnreadable, sqlWithheld,
		sqlPendingRefunds, sqlClaim, sqlLast, sqlLeases, sqlSetLease, sqlSettle, sqlAddDelivery, sqlWaiting, sqlAddAudit, sqlOldBodies, sqlDropBody,
		sqlForsaken, sqlAddCharge, sqlChargeRow, sqlNumbered, sqlSetCharge, sqlSetAttempt, sqlDropCharge, sqlSetAnswer,
		sqlSetQuote, sqlDueQueries, sqlDueFirst, sqlOldAnswers, sqlDropAnswer,
		sqlRefunds, sqlRefundsOfCharge, sqlAddRefund, sqlSetRefund, sqlDropRefund, sqlDueRefunds,
		sqlSweep, sqlSetSweep, sqlFirstCharge, sqlSaveLogin, sqlDropLogins,
	}
)
