package adminapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// candidate is an event that somebody wants to do something to.
type candidate struct {
	*ledger.Event
	pruned bool  // its body is gone: it cannot be delivered any more
	heard  bool  // the backend has acknowledged it at some time
	money  int64 // fen: of a payment what was paid; of a refund what went back, less than 0; 0 for what is neither
}

// examine reads what decides about an event, as it is now.
func examine(ctx context.Context, l ledger.Ledger, s ledger.Scope, id string) (*candidate, error) {
	e, err := l.Event(ctx, s, id)
	if err != nil {
		return nil, err
	}
	c := &candidate{Event: e, pruned: e.Body == nil, heard: e.State == ledger.Delivered, money: moneyOf(e)}
	if !c.heard && e.Attempts > 0 {
		deliveries, err := l.Deliveries(ctx, s, id)
		if err != nil {
			return nil, err
		}
		c.heard = slices.ContainsFunc(deliveries, func(d ledger.Delivery) bool { return d.State == ledger.Delivered })
	}
	return c, nil
}

// ofList is examine by what a list has of an event, where that is enough: payments that wait keep their bodies, and their amounts and acknowledgments are
// counted, of those too that an earlier version has recorded.
func ofList(e *ledger.Event) (c *candidate, enough bool) {
	waits := e.State == ledger.Pending || e.State == ledger.Held || e.State == ledger.Dead
	return &candidate{Event: e, heard: e.Acks > 0, money: e.Money}, waits && e.Type == "charge.succeeded"
}

func moneyOf(e *ledger.Event) int64 {
	if e.Type != "charge.succeeded" && e.Type != "refund.succeeded" {
		return 0
	}
	said, err := pingpp.ParseEvent(e.Body)
	switch {
	case err != nil || said.Unreadable != nil:
	case said.Charge != nil:
		return said.Charge.Amount
	case said.Refund != nil:
		return -said.Refund.Amount
	}
	return 0
}

// judge says why an action must not be done to an event: in a word that is stable, and in words that follow the event's state. Both are empty when it may be
// done. Again allows what would make the backend hear of something twice.
//
// This is the one place where that is decided; the ledger keeps the same rules against two who decide at the same time.
func judge(action ledger.Action, c *candidate, again bool) (code, why string) {
	switch action {
	case ledger.ActionRelease:
		if c.State != ledger.Held {
			return "not_held", "; only a held event can be released"
		}
	case ledger.ActionReplay:
		switch {
		case c.State == ledger.Held:
			return "held", "; release or discard it"
		case c.pruned:
			return "pruned", " and its body has been pruned"
		case again:
		case c.heard:
			return "acknowledged", "; your backend has acknowledged it already, and would fulfil it twice if it does not look; ask for that with again"
		case c.State == ledger.Discarded && (slices.Contains(c.Reasons, ledger.ReasonRefunded) || slices.Contains(c.Reasons, ledger.ReasonReversed)):
			return "went_back", "; its money went back before your backend heard of it; ask for that with again"
		case slices.Contains(c.Reasons, ledger.ReasonEffectSeen):
			return "effect_seen", "; another event had the same effect, and your backend hears of it through that one; ask for that with again"
		}
	case ledger.ActionDiscard:
		if c.State != ledger.Held && c.State != ledger.Pending && c.State != ledger.Dead {
			return "settled", "; only a held, pending or dead event can be discarded"
		}
	}
	return "", ""
}

// NeedsAgain says whether what judge gives as a code is allowed to who asks for it with again.
func NeedsAgain(code string) bool {
	return code == "acknowledged" || code == "effect_seen" || code == "went_back"
}

func known(action ledger.Action) error {
	switch action {
	case ledger.ActionReplay, ledger.ActionRelease, ledger.ActionDiscard:
		return nil
	}
	return refuse(http.StatusNotFound, "%.40q is not an action; use replay, release or discard", action)
}

// NeedsReason says whether an action takes a reason: where somebody decides about money that nobody can tell by the ledger, the next person has to know why.
func NeedsReason(action ledger.Action) bool {
	return action != ledger.ActionReplay && action != ActionQuery
}

func needReason(action ledger.Action, reason string) error {
	if NeedsReason(action) && strings.TrimSpace(reason) == "" {
		return refuse(http.StatusBadRequest, "a reason is missing; say why you %s it, for the audit log", action)
	}
	return nil
}

// judgeOrder says why Ping++ is not asked about an order, as judge does of events: there is a question only while the outcome of an attempt of ours is not
// known, and Ping++ may know more of it.
func judgeOrder(o *ledger.Order) (code, why string) {
	made := false
	for i := range o.Attempts {
		c := &o.Attempts[i]
		switch {
		case c.Paid || c.Reversed:
			made = true
		case c.State == ledger.Unknown || c.State == ledger.Taken || c.ID != "":
			return "", ""
		}
	}
	if made {
		return "known", "; its outcome is known already"
	}
	return "never_made", "; Ping++ has made no charge of it"
}

// Ineligible is events of a selection to which an action is not done, and why.
type Ineligible struct {
	Code   string   `json:"code"`  // stable: not_held, held, pruned, acknowledged, effect_seen, went_back, settled, changed; of orders known, never_made, unanswered
	State  string   `json:"state"` // the events', or the orders'
	Why    string   `json:"why"`   // in words
	Count  int      `json:"count"`
	Events []string `json:"events"` // the ids of the first ones, or the orders' numbers
}

const examples = 5 // ids of Ineligible

// tell adds an event to what it is counted with.
func tell(not []Ineligible, code, why string, e *ledger.Event) []Ineligible {
	return told(not, code, why, string(e.State), e.ID)
}

func told(not []Ineligible, code, why, state, id string) []Ineligible {
	i := slices.IndexFunc(not, func(n Ineligible) bool { return n.Code == code && n.State == state })
	if i < 0 {
		i, not = len(not), append(not, Ineligible{Code: code, State: state, Why: state + why, Events: []string{}})
	}
	not[i].Count++
	if len(not[i].Events) < examples {
		not[i].Events = append(not[i].Events, id)
	}
	return not
}
