package console

import (
	"net/http"
	"net/url"

	"github.com/caddypay/caddypay/adminapi"
)

// orderView is an order's page.
type orderView struct {
	*adminapi.OrderLife
	lang string
}

// Says is an entry of the timeline in a sentence: what the page does not show beside it.
func (o *orderView) Says(e adminapi.Entry) string {
	if o.lang == "zh" {
		return inChinese(o.OrderLife, &e)
	}
	return e.Text
}

// query asks Ping++ what it says of an order now.
func (c *Console) query(v *visit) (string, error) {
	app, mode, orderNo := v.q.Get("app"), v.q.Get("mode"), v.q.Get("order_no")
	if _, err := c.cfg.Desk.Query(v.ctx, app, mode, orderNo); err != nil {
		return "", err
	}
	return link("order", url.Values{"app": {app}, "mode": {mode}, "order_no": {orderNo}, "done": {"query"}}), nil
}

// order shows an order's whole life.
func (c *Console) order(v *visit) error { return v.order(http.StatusOK, "") }

func (v *visit) order(status int, problem string) error {
	life, err := v.c.cfg.Desk.Order(v.ctx, v.q.Get("app"), v.q.Get("mode"), v.q.Get("order_no"))
	if err != nil {
		return err
	}
	return v.render(status, "order", "Order", &orderView{OrderLife: life, lang: v.lang}, func(p *page) { p.Name, p.Problem = "orders", problem })
}
