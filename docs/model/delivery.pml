/*
 * How an event comes from Ping++ to the backend: accepting, leasing, delivering, recording, asking, crashing.
 * README.md says what is modelled, which code each piece stands for, and how to run the check.
 *
 * One order: it is paid, and the payment is refunded. Ping++ announces both; the reconciler may learn of the payment first.
 * In some runs there is an event of another order in place of the refund, so that the two relays work at the same time.
 */

#define PAYMENT 0 /* charge.succeeded from Ping++ */
#define QUERIED 1 /* the same payment, as the reconciler or the intake learned it: evt_q_..., source query */
#define REFUND  2 /* refund.succeeded, same lane, later rank */
#define OTHER   3 /* an event of another lane */
#define NONE    4

#define NOBODY  2 /* the relays are 0 and 1 */

#define TRIES 2 /* attempts before an event is dead */

/* ledger.State; absent: not recorded. */
mtype = { absent, pending, delivered, dead, held, discarded, filtered };

/* ---- the ledger: what is on disk ---- */

typedef Event {
	mtype state = absent;
	byte owner = NOBODY; /* whose lease it is */
	bool live;           /* the lease has not run out */
	byte tries
};
Event ev[4];
byte payment = NONE; /* the event that had the payment's effect */
bool claimed;        /* that event was leased once, or a person has made it pending: it may have been sent */
bool heard;          /* that event was delivered once */
bool unpaid;         /* the refund is filtered with ReasonUnpaid */

/* ---- the world ---- */

bool mismatch; /* the amount paid is not the charge's: the payment is held */
bool whole;    /* the refund is of the whole amount */
byte working[2] = NONE; /* what a relay has claimed and not yet settled: its memory, gone when it dies */
bool trust[2];          /* the relay's lease has neither run out nor been ended */
byte lent[2] = NONE;    /* what is recorded under a lease of a relay, and still has to be handed to it: gone when it dies */

byte crashes;   /* kill -9 of a relay */
byte stalls;    /* a lease runs out although its owner lives */
byte unreached; /* attempts that do not count, because the backend cannot be reached, or no answer comes from it */
byte decisions; /* of a person */

/* ---- what the promises are about: nobody reads it but the checks ---- */

bool acked[4];         /* Ping++ was answered 200 */
bool receipt[2];       /* the backend has answered 2xx to what a relay is working on */
byte announced = NONE; /* the webhook-id under which the backend first heard of the payment */
bool passed;           /* the payment's event was delivered at some time */

bool turned_down;      /* a person has discarded the payment */

hidden byte lost, two_workers, two_ids, overtaken, unsaid, undone, untold;

/* promise fails with its own name: "assertion violated !(lost)". */
inline promise(name, kept) {
	if
	:: kept
	:: else -> name = true; assert(!name)
	fi
}

#define isPayment(e) ((e) == PAYMENT || (e) == QUERIED)
#define waits(e)     (ev[e].state == pending)
#define leased(e)    (ev[e].owner != NOBODY && ev[e].live)

/* A relay forgets what it was doing. A lease that ran out is then nobody's. */
inline forget() {
	if
	:: ev[e].owner == w && !ev[e].live -> ev[e].owner = NOBODY
	:: else
	fi;
	working[w] = NONE;
	trust[w] = false;
	receipt[w] = false;
	outcome = absent;
	e = NONE
}

/* The backend gets the event. A refund comes after its payment was delivered, and a payment under one webhook-id. */
inline Send(e) {
	promise(overtaken, e != REFUND || passed);
	promise(two_ids, !isPayment(e) || announced == NONE || announced == e);
	if
	:: isPayment(e) -> announced = e
	:: else
	fi
}

/* The refund of a payment that is not delivered is not to be delivered either, unless somebody is at it (core: withhold, withholdable). */
inline withhold() {
	if
	:: waits(REFUND) && ev[REFUND].owner == NOBODY -> ev[REFUND].state = filtered; ev[REFUND].tries = 0; unpaid = true
	:: else
	fi
}

/* The refund of a payment that is delivered after all is to be delivered too (core: lift, reviveRefunds). */
inline lift() {
	if
	:: unpaid -> unpaid = false; ev[REFUND].state = pending
	:: else
	fi
}

/* ---- ledger.Events, by the rules of ledger/core: each of these is one transaction ---- */

#define unheard (ev[payment].state == dead && !heard)
#ifdef DISCARD_UNDER_WAY
#define unsent true
#else
#define unsent (!claimed)
#endif

/* core: queue, promote */
#ifdef NO_LANES
#define blocked(e) false
#else
#define blocked(e) ((e) == REFUND && (waits(PAYMENT) || waits(QUERIED)))
#endif

/* core: lends */
#ifdef LEND_BEHIND
#define lends(e) true
#else
#define lends(e) (!blocked(e))
#endif

/* A relay that has room, or none, offers to take the event on at once (relay: Relay.lend). */
inline offer() {
	if
	:: to = NOBODY
	:: lent[0] == NONE && working[0] == NONE -> to = 0
	:: lent[1] == NONE && working[1] == NONE -> to = 1
	fi
}

/* core: record, judge, lends; book, takeBack */
inline Append(e) {
	offer();
	d_step {
		if
		:: ev[e].state != absent -> skip /* Duplicate */
#ifndef EFFECT_NOT_UNIQUE
		:: ev[e].state == absent && isPayment(e) && payment != NONE -> ev[e].state = filtered /* SameEffect */
#endif
		:: else -> /* Recorded */
			if
			:: isPayment(e) ->
				payment = e;
				ev[e].state = (mismatch -> held : pending)
			:: e == REFUND && payment != NONE && (ev[payment].state == held || ev[payment].state == discarded || unheard) ->
				ev[e].state = filtered;
				unpaid = true;
				if
				:: whole && ev[payment].state == held -> ev[payment].state = discarded
				:: else
				fi
			:: e == REFUND && payment != NONE && whole && waits(payment) && unsent -> /* the money went back before anything was sent */
				ev[payment].state = discarded;
				ev[e].state = filtered;
				unpaid = true
			:: else -> ev[e].state = pending
			fi;
			if
			:: to != NOBODY && waits(e) && lends(e) ->
				promise(overtaken, e != REFUND || !(waits(PAYMENT) || waits(QUERIED)));
				claimed = claimed || isPayment(e);
				ev[e].owner = to;
				ev[e].live = true;
				lent[to] = e
			:: else
			fi
		fi;
		to = NOBODY
	}
}

/* core: Claimable */
#ifdef NO_LEASE_CHECK
#define claimable(e) (waits(e) && !blocked(e))
#else
#define claimable(e) (waits(e) && !leased(e) && !blocked(e))
#endif

inline Claim(e) {
	d_step {
		promise(overtaken, e != REFUND || !(waits(PAYMENT) || waits(QUERIED)));
		claimed = claimed || isPayment(e);
		ev[e].owner = w;
		ev[e].live = true;
		working[w] = e;
		trust[w] = true;
		promise(two_workers, working[0] != working[1] || !trust[0] || !trust[1])
	}
}

/*
 * What was lent comes into the relay's hands once it is on disk, if the lease has not run out by then (relay: Relay.take). That it never comes
 * there, since the append is said to have failed, or because whoever waited for it has died, is one of the things that may happen.
 */
#ifdef TAKE_LATE
#define inTime(e) true
#else
#define inTime(e) (ev[e].owner == w && ev[e].live)
#endif

inline Take(e) {
	d_step {
		lent[w] = NONE;
		working[w] = e;
		trust[w] = true;
		promise(two_workers, working[0] != working[1] || !trust[0] || !trust[1])
	}
}

/* A lease that ran out is held until somebody takes it over (core: prolonged). */
#ifdef RENEW_TAKES_BACK
#define renewable(w) (working[w] != NONE && !trust[w] && waits(working[w]))
#else
#define renewable(w) (working[w] != NONE && !trust[w] && ev[working[w]].owner == w)
#endif

inline Renew(w) {
	d_step {
		ev[working[w]].owner = w;
		ev[working[w]].live = true;
		trust[w] = true;
		promise(two_workers, working[0] != working[1] || !trust[0] || !trust[1])
	}
}

#ifdef SETTLE_BY_ANYBODY
#define mine(e) true
#else
#define mine(e) (ev[e].owner == w && waits(e))
#endif

/*
 * outcome: delivered; pending, which is dead after the last attempt; absent for an attempt that does not count. What a relay
 * without the lease says is dropped, unless it is that the backend has the event (core: settleOwn, died; settleOther).
 */
inline Settle(e) {
	d_step {
		if
		:: outcome == delivered ->
			promise(unsaid, receipt[w]);
			promise(two_ids, !isPayment(e) || ev[PAYMENT + QUERIED - e].state != delivered);
			if
			:: isPayment(e) && (ev[e].state == discarded || ev[e].state == dead) -> lift() /* while it was under way */
			:: else
			fi;
			ev[e].state = delivered;
			heard = heard || isPayment(e);
			ev[e].tries = 0;
			if
			:: working[1-w] == e -> trust[1-w] = false
			:: else
			fi;
			ev[e].owner = NOBODY;
			ev[e].live = false
		:: outcome != delivered && mine(e) ->
			promise(undone, ev[e].state != delivered);
			if
			:: outcome == pending && ev[e].tries + 1 < TRIES -> ev[e].tries++
			:: outcome == pending && ev[e].tries + 1 == TRIES ->
				ev[e].tries = 0;
				ev[e].state = dead;
				if
#ifndef DEAD_TELLS_REFUND
				:: isPayment(e) && !heard -> withhold() /* the backend is not to hear of a refund before its payment */
#endif
				:: else
				fi
			:: outcome == absent
			fi;
			ev[e].owner = NOBODY;
			ev[e].live = false
		:: else
		fi;
		passed = passed || isPayment(e) && ev[e].state == delivered;
		forget()
	}
}

/* A person releases a held payment, or has one delivered again (core: allows, revive). */
inline Decide(e) {
	d_step {
		claimed = claimed || ev[e].state != held;
		ev[e].state = pending;
		lift()
	}
}

/* A person discards a payment: its refunds that nobody is delivering are not to be delivered either (core: discard, silence). */
inline Discard(e) {
	d_step {
		ev[e].state = discarded;
		turned_down = true;
		withhold()
	}
}

/* ---- the processes ---- */

#ifdef REFUND_DOES_NOT_ASK
#define mustAsk(e) false
#else
#define mustAsk(e) ((e) == REFUND && payment == NONE)
#endif

/*
 * handlers/webhook: Webhooks.Receive; relay: Intake.Accept. Ping++ sends an event any number of times, in any order, until it is content
 * or gives up, or never. A request keeps nothing that the ledger has not, so that one at a time for each event stands for many.
 */
proctype Accept(byte e) {
	byte to = NOBODY;
	do
	:: atomic { mustAsk(e) -> Append(QUERIED) } /* Ping++ says paid: the backend has to hear of that first */
	:: !mustAsk(e) ->
#ifdef ACK_BEFORE_COMMIT
		acked[e] = true;
#endif
		atomic { Append(e); acked[e] = true } /* 200; should it not arrive, Ping++ comes again, and the promise stands */
	:: break /* also in place of a 503, and of dying before the commit */
	od
}

/* relay: Reconciler.lookUp. It asks as long as the ledger does not say that the charge is paid. */
proctype Reconcile() {
	byte to = NOBODY;
end:
	do
	:: payment == NONE -> atomic { Append(QUERIED) } /* Ping++ says paid; the webhook may come between the two */
	od
}

/* relay: Relay.claim, deliver, settle. The end of the relay's context breaks none of it off. */
proctype Relay(byte w) {
	byte e = NONE;
	mtype outcome = absent;
end:
	do
	:: atomic {
		if
		:: claimable(PAYMENT) -> e = PAYMENT; Claim(e)
		:: claimable(QUERIED) -> e = QUERIED; Claim(e)
		:: claimable(REFUND) -> e = REFUND; Claim(e)
		:: claimable(OTHER) -> e = OTHER; Claim(e)
		:: lent[w] != NONE && inTime(lent[w]) -> e = lent[w]; Take(e)
		:: lent[w] != NONE -> lent[w] = NONE; goto end
		fi
	   }
		if
		:: atomic { !trust[w] && ev[e].owner != w -> forget() } /* the claim came late, and somebody else has the event by now */
		:: atomic { crashes > 0 -> crashes--; lent[w] = NONE; forget() }
		:: atomic { true -> /* perhaps late: the lease may have run out since it looked */
			if
			:: true -> Send(e); receipt[w] = true; outcome = delivered /* a receipt */
			:: true -> Send(e); outcome = pending /* refused; or done, and the answer cut */
			:: unreached > 0 -> unreached--; outcome = absent /* does not count; and what cannot be reached may have been, and its answer not */
				if
				:: true -> Send(e)
				:: true
				fi
			:: outcome = pending /* broken off before anything was sent */
#ifdef MARK_DELIVERED_ON_CANCEL
				; outcome = delivered
#endif
			fi
		   }
			if
			:: atomic { Settle(e) }
			:: atomic { crashes > 0 -> crashes--; lent[w] = NONE; forget() } /* the backend may have it, and nobody knows */
			fi
		fi
	od
}

/* Time: leases run out, and a relay that lives prolongs its own (relay: Relay.renew). */
#define orphan(e) (leased(e) && working[ev[e].owner] != e)

inline expire(e) {
	ev[e].live = false;
	ev[e].owner = NOBODY
}

proctype Clock() {
end:
	do
	:: atomic { orphan(PAYMENT) -> expire(PAYMENT) }
	:: atomic { orphan(QUERIED) -> expire(QUERIED) }
	:: atomic { orphan(REFUND) -> expire(REFUND) }
	:: atomic { orphan(OTHER) -> expire(OTHER) }
	:: atomic { stalls > 0 && trust[0] -> stalls--; trust[0] = false; ev[working[0]].live = false }
	:: atomic { stalls > 0 && trust[1] -> stalls--; trust[1] = false; ev[working[1]].live = false }
	:: atomic { renewable(0) -> Renew(0) }
	:: atomic { renewable(1) -> Renew(1) }
	od
}

/* caddy pay events release, replay, discard. */
#define replayable(e)  (ev[e].state == dead || ev[e].state == delivered || ev[e].state == discarded)
#define discardable(e) (ev[e].state == held || (waits(e) || ev[e].state == dead) && !leased(e))

proctype Person() {
end:
	do
	:: atomic { decisions > 0 && payment != NONE && (ev[payment].state == held || replayable(payment)) -> decisions--; Decide(payment) }
	:: atomic { decisions > 0 && payment != NONE && discardable(payment) -> decisions--; Discard(payment) }
	od
}

/* ---- the promises that hold in every state, and those that hold when nothing moves any more ---- */

#define gone(e)    (acked[e] && ev[e].state == absent)
#define some(s)    (ev[PAYMENT].state == s || ev[QUERIED].state == s || ev[REFUND].state == s || ev[OTHER].state == s)
#define settled(e) (ev[e].state != absent && !waits(e))

proctype Watch() {
end:
	do
	:: atomic { gone(PAYMENT) || gone(REFUND) || gone(OTHER) -> lost = true; assert(!lost) }
	:: atomic { timeout ->
		promise(lost, payment != NONE && settled(payment)); /* also when no webhook ever came */
		promise(untold, announced == NONE || turned_down || ev[payment].state != discarded); /* else its refund was not told */
		promise(lost, !acked[PAYMENT] || settled(PAYMENT));
		promise(lost, !acked[REFUND] || settled(REFUND));
		promise(lost, !acked[OTHER] || settled(OTHER));
		promise(lost, !waits(PAYMENT) && !waits(QUERIED) && !waits(REFUND) && !waits(OTHER));
		if /* each of these can be the end: what cannot, the check's report names as unreached */
		:: some(delivered)
		:: some(dead)
		:: some(held)
		:: some(discarded)
		:: some(filtered)
		fi;
		break
	   }
	od
}

/* All faults at once would be too many states to look at: each run has the faults of one line, or fewer. */
init {
	byte second = REFUND;
	atomic {
		if
		:: mismatch = false; whole = false
		:: mismatch = false; whole = true
		:: mismatch = true; whole = false
		:: mismatch = true; whole = true
		fi;
		if
		:: crashes = 1; stalls = 1
		:: stalls = 2
		:: crashes = 1; unreached = 1
		:: decisions = 1; stalls = 1
		:: second = OTHER; crashes = 1
		fi;
		run Accept(PAYMENT); run Accept(second);
		run Reconcile();
		run Relay(0); run Relay(1);
		run Clock(); run Person(); run Watch()
	}
}
