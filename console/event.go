package console

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// eventView is the page of one event, with what may be done to it.
type eventView struct {
	*adminapi.EventWhole
	Asked  ledger.Action // that was refused
	Again  bool          // and may be asked for all the same
	Reason string        // as given
}

// event shows one event: what came, every attempt to deliver it, and the forms that decide about it.
func (c *Console) event(v *visit) error {
	return v.event(http.StatusOK, &eventView{}, "")
}

func (v *visit) event(status int, view *eventView, problem string) error {
	whole, err := v.c.cfg.Desk.Event(v.ctx, ref(v.q))
	if err != nil {
		return err
	}
	view.EventWhole = whole
	return v.render(status, "event", "Event", view, func(p *page) { p.Problem = problem })
}

func ref(q url.Values) adminapi.EventRef {
	return adminapi.EventRef{ID: q.Get("id"), App: q.Get("app"), Mode: q.Get("mode")}
}

// decide carries out a decision about one event. What the desk refuses unless it is asked for again is asked again, with what was written.
func (c *Console) decide(v *visit) (string, error) {
	to, do := ref(v.q), ledger.Action(v.q.Get("action"))
	_, err := c.cfg.Desk.Decide(v.ctx, to, do, adminapi.Decision{Said: c.cfg.Said, Reason: v.q.Get("reason"), Again: v.q.Get("again") == "1"})
	var refused *adminapi.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusConflict || refused.Status == http.StatusBadRequest) {
		return "", v.event(refused.Status, &eventView{Asked: do, Again: adminapi.NeedsAgain(refused.Code), Reason: v.q.Get("reason")}, whyText(v.lang, refused.Code, refused.Message))
	}
	if err != nil {
		return "", err
	}
	return link("event", url.Values{"id": {to.ID}, "app": {to.App}, "mode": {to.Mode}, "done": {string(do)}}), nil
}
