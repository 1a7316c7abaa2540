// Package console is the operator's page over package adminapi: what waits and how much money hangs on it, one search, lists, an order's
// whole life, and the actions, as plain pages and forms that need no script. It decides nothing itself, and knows nobody: who uses it is what
// [adminapi.WithBy] says, so whatever mounts it stands behind a login of its own.
//
// Pages are named by the last part of their path alone and link to each other by that, so the console works below any prefix that ends in a slash.
package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

// Desk is what the console asks: an [adminapi.Server] of the same process, or a client of another's.
type Desk interface {
	Events(ctx context.Context, q adminapi.EventQuery) (*adminapi.EventPage, error)
	Event(ctx context.Context, ref adminapi.EventRef) (*adminapi.EventWhole, error)
	Decide(ctx context.Context, ref adminapi.EventRef, action ledger.Action, d adminapi.Decision) (*adminapi.EventView, error)
	Preview(ctx context.Context, i adminapi.Intent) (*adminapi.Preview, error)
	Begin(ctx context.Context, i adminapi.Intent) (*adminapi.RunView, error)
	Run(ctx context.Context, id string) (*adminapi.RunView, error)
	Runs(ctx context.Context, before int64, limit int) (*adminapi.RunPage, error)
	Stop(ctx context.Context, id string) (*adminapi.RunView, error)

	Orders(ctx context.Context, q adminapi.OrderQuery) (*adminapi.OrderPage, error)
	Order(ctx context.Context, app, mode, orderNo string) (*adminapi.OrderLife, error)
	Query(ctx context.Context, app, mode, orderNo string) (*adminapi.OrderLife, error)
	Charges(ctx context.Context, q adminapi.ChargeQuery) (*adminapi.ChargePage, error)
	Refunds(ctx context.Context, q adminapi.RefundQuery) (*adminapi.RefundPage, error)
	Audit(ctx context.Context, q adminapi.AuditQuery) (*adminapi.AuditPage, error)
	Shipments(ctx context.Context, q adminapi.ShippingQuery) (*adminapi.ShipmentPage, error)
	ReportShipping(ctx context.Context, ref adminapi.ShipmentRef, d adminapi.ShippingDecision) (*adminapi.ShipmentWhole, error)
	Find(ctx context.Context, text string) ([]adminapi.Found, error)
	Figures(ctx context.Context) ([]adminapi.ScopeFigures, error)
	Hours(ctx context.Context, since, until time.Time) ([]adminapi.HourView, error)
	Pause(ctx context.Context, app, mode, reason string) ([]adminapi.PauseView, error)
	Unpause(ctx context.Context, app, mode, reason string) ([]adminapi.PauseView, error)

	Seen(ctx context.Context, language string) (*adminapi.Seen, error)
	Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error)
}

// Config is what a console stands on.
type Config struct {
	Desk Desk
	// ReadOnly refuses every action, and shows none.
	ReadOnly bool
	// Said is who uses the console by his own word; it is kept beside what is known of him. May be empty.
	Said string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Console serves the pages; make one with New.
type Console struct {
	cfg   Config
	cross *http.CrossOriginProtection
}

// New returns a console.
func New(cfg Config) *Console {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Console{cfg: cfg, cross: http.NewCrossOriginProtection()}
}

// action carries out what a form sends, and returns the page to go on with.
type action func(c *Console, v *visit) (next string, err error)

// screen shows a page.
type screen func(c *Console, v *visit) error

// screens and actions are the names below the prefix. Lists are in lists, and each with .csv behind its name is a file.
var (
	screens = map[string]screen{"": (*Console).front, "find": (*Console).find, "order": (*Console).order, "event": (*Console).event, "act": (*Console).preview, "run": (*Console).run, "health": (*Console).health}
	actions = map[string]action{"decide": (*Console).decide, "begin": (*Console).begin, "stop": (*Console).stop, "query": (*Console).query, "pause": (*Console).pause, "unpause": (*Console).unpause, "check": (*Console).look, "report": (*Console).report}
)

// ServeHTTP answers for every path that it is given.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if f, ok := files[name]; ok {
		f.ServeHTTP(w, r)
		return
	}
	v := newVisit(c, w, r)
	v.headers()
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if lang := r.URL.Query().Get("lang"); lang != "" {
			v.speak(lang)
			return
		}
		v.finish(c.show(v, name))
	case http.MethodPost:
		c.act(v, name)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		v.fail(http.StatusMethodNotAllowed, v.t("This page takes GET and POST."))
	}
}

// show answers with a page or a file.
func (c *Console) show(v *visit, name string) error {
	if s, ok := screens[name]; ok {
		return s(c, v)
	}
	if l, ok := lists[strings.TrimSuffix(name, ".csv")]; ok {
		if strings.HasSuffix(name, ".csv") {
			return c.export(v, name, l)
		}
		return c.list(v, name, l)
	}
	return &adminapi.Error{Status: http.StatusNotFound, Message: v.t("There is no such page.")}
}

// actMost is the longest form, in bytes.
const actMost = 64 << 10

// act carries out a form. Another site's page cannot send one: browsers say where a form comes from.
func (c *Console) act(v *visit, name string) {
	do, ok := actions[name]
	switch {
	case !ok:
		v.fail(http.StatusNotFound, v.t("There is no such page."))
		return
	case c.cross.Check(v.r) != nil:
		v.fail(http.StatusForbidden, v.t("This form came from another site; open the console itself and send it from there."))
		return
	case c.cfg.ReadOnly:
		v.fail(http.StatusForbidden, v.t("This console is read-only: it shows, and changes nothing."))
		return
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, actMost)
	if err := v.r.ParseForm(); err != nil {
		v.fail(http.StatusBadRequest, err.Error())
		return
	}
	v.q = v.r.PostForm
	next, err := do(c, v)
	if err != nil {
		v.finish(err)
		return
	}
	if next != "" { // else it has answered itself
		v.redirect(next)
	}
}
