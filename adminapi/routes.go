package adminapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

// Route is one of the admin API's. By what stands in it requests are read and answered, and docs/admin-api.openapi.json is made.
type Route struct {
	Method  string
	Path    string // with its parameters in braces
	About   string // its subject
	Name    string // of the method of Server and Client
	Summary string
	In      reflect.Type   // what the path and the query are read into; nil: nothing is asked for there
	Body    reflect.Type   // what the body, in JSON, is read into; nil: none is read
	Answer  reflect.Type   // in JSON
	Lines   []reflect.Type // what each line may be of an answer that comes in lines of JSON, where there is much to wait for; the last is the Answer, or an Error

	serve func(w http.ResponseWriter, r *http.Request) (any, error)
}

// Params lists what the path and the query may have.
func (r *Route) Params() []Param { return paramsOf(r.In) }

// What routes are about, in the order of Routes.
const (
	aboutFigures  = "Figures"
	aboutOrders   = "Orders"
	aboutEvents   = "Events"
	aboutShipping = "Shipping"
	aboutRuns     = "Actions on many"
	aboutDelivery = "Delivery"
	aboutHealth   = "Health"
	aboutLedger   = "The ledger"
)

// ScopeRef names an app in a mode, or with neither all of the running sites.
type ScopeRef struct {
	App  string `query:"app"`  // app_…; both app and mode, or neither: all of the running sites
	Mode string `query:"mode"` // live or test
}

// OrderRef names an order.
type OrderRef struct {
	OrderNo string `path:"order_no"` // the merchant's
	ScopeRef
}

// Routes is all of the admin API.
func (s *Server) Routes() []Route {
	return []Route{
		reads("/pay/figures", aboutFigures, "Figures", "Says, of each app and mode, what waits and how much money is at risk", func(ctx context.Context, _ nothing) ([]ScopeFigures, error) {
			return s.Figures(ctx)
		}),
		reads("/pay/hours", aboutFigures, "Hours", "Says what happened in each hour in which something did, oldest first", s.hours),

		reads("/pay/find", aboutOrders, "Find", "Says what goes by a name, whatever kind of name that is; nothing is no error", s.search),
		reads("/pay/orders", aboutOrders, "Orders", "Lists orders, the last begun first", s.Orders),
		reads("/pay/orders/{order_no}", aboutOrders, "Order", "Returns all that is known of an order, with its timeline", func(ctx context.Context, o OrderRef) (*OrderLife, error) {
			return s.Order(ctx, o.App, o.Mode, o.OrderNo)
		}),
		does("/pay/orders/{order_no}/query", aboutOrders, "Query", "Asks Ping++ now about what is not known of an order, and returns all that is known then", func(ctx context.Context, o OrderRef) (*OrderLife, error) {
			return s.Query(ctx, o.App, o.Mode, o.OrderNo)
		}),
		reads("/pay/charges", aboutOrders, "Charges", "Lists attempts to pay, newest first", s.Charges),
		reads("/pay/refunds", aboutOrders, "Refunds", "Lists refunds, newest first", s.Refunds),
		reads("/pay/audit", aboutOrders, "Audit", "Lists what was decided, newest first", s.Audit),

		reads("/pay/events", aboutEvents, "Events", "Lists events in the order of their arrival, newest first", s.Events),
		reads("/pay/events/{id}", aboutEvents, "Event", "Returns one event with its body and deliveries", s.Event),
		takes("/pay/events/{id}/{action}", aboutEvents, "Decide", "Carries out what a person decided about one event: replay, release or discard", func(ctx context.Context, e EventAction, d Decision) (*EventView, error) {
			return s.Decide(ctx, e.EventRef, e.Action, d)
		}),

		reads("/pay/shipping", aboutShipping, "Shipments", "Lists what WeChat has to know of how payments were shipped, by when they were paid, newest first", s.Shipments),
		reads("/pay/shipping/{charge}", aboutShipping, "Shipment", "Returns one with all that WeChat was asked about it", s.Shipment),
		takes("/pay/shipping/{charge}/report", aboutShipping, "ReportShipping", "Lets WeChat be told again what was reported, or something else, as a person decided", s.ReportShipping),

		takes("/pay/runs/preview", aboutRuns, "Preview", "Says what would become of an action on all that a filter chooses, and changes nothing", func(ctx context.Context, _ nothing, i Intent) (*Preview, error) {
			return s.Preview(ctx, i)
		}),
		takes("/pay/runs", aboutRuns, "Begin", "Carries an action out on all that a filter chooses, bit by bit, also after its caller is gone or the process is another", func(ctx context.Context, _ nothing, i Intent) (*RunView, error) {
			return s.Begin(ctx, i)
		}),
		reads("/pay/runs", aboutRuns, "Runs", "Lists all such runs, newest first", func(ctx context.Context, q RunQuery) (*RunPage, error) {
			return s.Runs(ctx, q.Before, q.Limit)
		}),
		reads("/pay/runs/{id}", aboutRuns, "Run", "Says how far a run has come", func(ctx context.Context, r RunRef) (*RunView, error) { return s.Run(ctx, r.ID) }),
		does("/pay/runs/{id}/stop", aboutRuns, "Stop", "Ends a run before its time; what it has done stays", func(ctx context.Context, r RunRef) (*RunView, error) { return s.Stop(ctx, r.ID) }),

		takes("/pay/pause", aboutDelivery, "Pause", "Lets nothing be delivered until somebody says otherwise, also in the next process, and returns what is paused; needs a reason", func(ctx context.Context, at ScopeRef, d Decision) ([]PauseView, error) {
			return s.halt(ctx, ledger.ActionPause, at.App, at.Mode, d)
		}),
		takes("/pay/resume", aboutDelivery, "Unpause", "Ends a pause, and returns what is paused still", func(ctx context.Context, at ScopeRef, d Decision) ([]PauseView, error) {
			return s.halt(ctx, ledger.ActionUnpause, at.App, at.Mode, d)
		}),

		reads("/pay/health", aboutHealth, "Health", "Says whether payments can be taken; an error says why not", func(ctx context.Context, _ nothing) (*Health, error) { return s.Health(ctx) }),
		reads("/pay/seen", aboutHealth, "Seen", "Says what this Caddy has seen since it was started: webhooks refused, how backends answer", func(ctx context.Context, q SeenQuery) (*Seen, error) {
			return s.Seen(ctx, q.Language)
		}),
		reads("/pay/check", aboutHealth, "Check", "Looks at everything that a payment needs; takes 15 s at most", func(ctx context.Context, q CheckQuery) (*check.Report, error) {
			return s.Checked(ctx, q.Language, time.Duration(q.Age)*time.Second)
		}),
		takes("/pay/check/backend", aboutHealth, "TryBackend", "Tries the merchant's backend with an order, in test mode", func(ctx context.Context, _ nothing, t Trial) (*check.Report, error) {
			return s.TryBackend(ctx, t)
		}),

		does("/pay/reconcile", aboutLedger, "Reconcile", "Compares a day, in UTC+8, with Ping++'s list, for every app and mode", func(ctx context.Context, q DayQuery) ([]SweepView, error) {
			return s.Reconcile(ctx, q.Date)
		}),
		does("/pay/ledger/verify", aboutLedger, "VerifyLedger", "Reads the whole ledger and lists what is damaged; may take minutes", func(ctx context.Context, _ nothing) (*LedgerCheck, error) {
			return s.VerifyLedger(ctx)
		}),
		{
			Method: http.MethodPost, Path: "/pay/ledger/backup", About: aboutLedger, Name: "BackupLedger",
			Summary: "Copies the ledger, as it stands now, beside everything else; a copy that takes its time says in lines how far it is",
			Body:    reflect.TypeFor[BackupOrder](), Answer: reflect.TypeFor[LedgerBackup](),
			Lines: []reflect.Type{reflect.TypeFor[BackupProgress](), reflect.TypeFor[LedgerBackup](), reflect.TypeFor[Error]()}, serve: s.serveBackup,
		},
	}
}

// nothing is what a route asks for that asks for nothing.
type nothing struct{}

// reads makes a route that changes nothing.
func reads[In, Answer any](path, about, name, summary string, f func(context.Context, In) (Answer, error)) Route {
	r := does(path, about, name, summary, f)
	r.Method = http.MethodGet
	return r
}

// does makes a route that needs no body.
func does[In, Answer any](path, about, name, summary string, f func(context.Context, In) (Answer, error)) Route {
	return Route{
		Method: http.MethodPost, Path: path, About: about, Name: name, Summary: summary, In: reflect.TypeFor[In](), Answer: bare(reflect.TypeFor[Answer]()),
		serve: func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var in In
			if err := readParams(r, &in); err != nil {
				return nil, err
			}
			return f(r.Context(), in)
		},
	}
}

// takes makes a route that needs a body.
func takes[In, Body, Answer any](path, about, name, summary string, f func(context.Context, In, Body) (Answer, error)) Route {
	return Route{
		Method: http.MethodPost, Path: path, About: about, Name: name, Summary: summary,
		In: reflect.TypeFor[In](), Body: reflect.TypeFor[Body](), Answer: bare(reflect.TypeFor[Answer]()),
		serve: func(w http.ResponseWriter, r *http.Request) (any, error) {
			var in In
			var body Body
			if err := readParams(r, &in); err != nil {
				return nil, err
			}
			if err := readBody(w, r, &body); err != nil {
				return nil, err
			}
			return f(r.Context(), in, body)
		},
	}
}

func bare(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// patterns are those of http.ServeMux for a path. A last parameter takes all that follows, also nothing: a name with a slash in it, or none, is answered
// like one that is unknown.
func patterns(path string) []string {
	if whole, ends := strings.CutSuffix(path, "}"); ends {
		return []string{path, whole + "...}"}
	}
	return []string{path}
}
