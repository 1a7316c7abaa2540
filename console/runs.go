package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// intent reads an action by filter, from the address of its preview and from its form alike.
func (v *visit) intent() adminapi.Intent {
	through, _ := strconv.ParseInt(v.q.Get("through"), 10, 64)
	rate, _ := strconv.Atoi(v.q.Get("rate"))
	i := adminapi.Intent{
		Action: ledger.Action(v.q.Get("action")), OrderNo: v.q.Get("order_no"), Type: v.q.Get("type"), Since: v.since(v.q.Get("since")),
		Again: v.q.Get("again") == "1", Through: through, Rate: rate, Said: v.c.cfg.Said, Reason: v.q.Get("reason"),
	}
	i.App, i.Mode, i.Until = v.q.Get("app"), v.q.Get("mode"), v.until(v.q.Get("until"))
	for state := range strings.SplitSeq(strings.Join(v.q["state"], ","), ",") {
		if state != "" {
			i.States = append(i.States, state)
		}
	}
	return i
}

// preview shows what would become of an action by filter, with the form that begins it.
func (c *Console) preview(v *visit) error { return v.preview(http.StatusOK, "") }

type previewView struct {
	*adminapi.Preview
	Again bool // there is what is only done when it is asked for again
}

// leftOut is what an action is not done to.
type leftOut struct {
	Orders bool // else events
	Not    []adminapi.Ineligible
}

func (v *visit) preview(status int, problem string) error {
	i := v.intent()
	reason := i.Reason
	i.Reason = ""
	p, err := v.c.cfg.Desk.Preview(v.ctx, i)
	if err != nil {
		return err
	}
	p.Reason = reason
	view := &previewView{Preview: p, Again: p.Again}
	for _, n := range p.Not {
		view.Again = view.Again || adminapi.NeedsAgain(n.Code)
	}
	return v.render(status, "act", "Preview", view, func(page *page) { page.Problem, page.Live = problem, false })
}

// begin carries out what was previewed.
func (c *Console) begin(v *visit) (string, error) {
	run, err := c.cfg.Desk.Begin(v.ctx, v.intent())
	var refused *adminapi.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusConflict || refused.Status == http.StatusBadRequest) {
		return "", v.preview(refused.Status, refused.Message)
	}
	if err != nil {
		return "", err
	}
	return link("run", url.Values{"id": {run.ID}}), nil
}

// run shows how far an action by filter has come.
func (c *Console) run(v *visit) error {
	run, err := c.cfg.Desk.Run(v.ctx, v.q.Get("id"))
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, "run", "Action", run)
}

// stop ends one.
func (c *Console) stop(v *visit) (string, error) {
	id := v.q.Get("id")
	if _, err := c.cfg.Desk.Stop(v.ctx, id); err != nil {
		return "", err
	}
	return link("run", url.Values{"id": {id}, "done": {"stop"}}), nil
}
