// Package adminapi is what operators see of payments and events, and what they decide about them: the JSON types, one server over the
// ledger, and its client. Caddy's admin endpoint mounts the server under /pay/; the commands of `caddy pay` are the client. What may be
// done to which event is decided here and nowhere else.
//
//	GET  /pay/figures                    what waits, and the money at risk
//	GET  /pay/hours                      what happened in each hour; ?since=, until
//	GET  /pay/find                       what goes by a name; ?q=
//	GET  /pay/orders                     list; ?status= (several, comma separated), channel, and as every list since, until, app, mode, limit, cursor
//	GET  /pay/orders/{no}                all that is known of an order, with its timeline; ?app=, mode
//	POST /pay/orders/{no}/query          asks Ping++ about it now; the same answer
//	GET  /pay/charges                    list; ?status=, order_no, channel
//	GET  /pay/refunds                    list; ?state=, order_no, charge, unclear
//	GET  /pay/audit                      list of what was decided; ?event=, action
//	POST /pay/pause                      {"said", "reason"}: nothing is delivered; ?app=, mode
//	POST /pay/resume                     {"said", "reason"}: it is delivered again; ?app=, mode
//	GET  /pay/events                     list; ?state=, order_no, type, reason, source, at_risk
//	GET  /pay/events/{id}                one event with its body and deliveries
//	POST /pay/events/{id}/{action}       {"said", "reason", "again"}: replay, release or discard
//	POST /pay/runs/preview               an Intent: what would become of an action on all events that a filter chooses
//	POST /pay/runs                       an Intent: carries it out, bit by bit
//	GET  /pay/runs                       list; ?before=, limit
//	GET  /pay/runs/{id}                  how far one has come
//	POST /pay/runs/{id}/stop             ends it before its time
//	GET  /pay/health                     whether payments can be taken
//	GET  /pay/check                      looks at everything that a payment needs; ?language=en or zh
//	POST /pay/check/backend              a Trial: tries the merchant's backend, in test mode
//	POST /pay/reconcile?date=2006-01-02  compares a day, in UTC+8, with Ping++'s list
//	POST /pay/ledger/verify              reads the whole ledger and lists what is damaged
//	POST /pay/ledger/backup              {"file"}: copies the ledger; lines of JSON, the last of which is the result or an error
//
// Errors are {"error": "…"}, in words that say what to write instead.
package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
)

// Config is what a Server stands on.
type Config struct {
	// Ledger returns the ledger; it opens it if need be.
	Ledger func(context.Context) (ledger.Ledger, error)
	// File is where the ledger is, for people to read.
	File string
	// Scopes returns the apps and modes of the running sites, always in one order.
	Scopes func() []ledger.Scope
	// Sweep compares a day of one of them with Ping++'s list.
	Sweep func(ctx context.Context, scope ledger.Scope, day time.Time) (*nightly.Sweep, error)
	// Query asks Ping++ now for all of an order whose outcome is not known.
	Query func(ctx context.Context, scope ledger.Scope, orderNo string) error
	// Unpriced returns why an order got no price when somebody last wanted to pay it, as one of the sites of these scopes knows.
	Unpriced func(scopes []ledger.Scope, orderNo string) (payment.Unpriced, bool)
	// Check carries out all checks.
	Check func(context.Context) []check.Finding
	// TryBackend tries the backend of a site, or of all; an error says that there is none.
	TryBackend func(ctx context.Context, site string, t check.Trial) ([]check.Finding, error)
	// Logger is told of what persons decide. Default: none.
	Logger *zap.Logger
}

// Server answers for one configuration; make one with New. Its methods are those of Client: a page in the same process calls them as they are.
type Server struct {
	cfg Config
	mux *http.ServeMux
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux()}
	for path, m := range map[string]methods{
		"/pay/figures":                 {http.MethodGet: s.serveFigures},
		"/pay/hours":                   {http.MethodGet: s.serveHours},
		"/pay/find":                    {http.MethodGet: s.serveFind},
		"/pay/orders":                  {http.MethodGet: s.serveOrders},
		"/pay/orders/{$}":              {http.MethodGet: s.serveOrder}, // likewise a number
		"/pay/orders/{no}":             {http.MethodGet: s.serveOrder},
		"/pay/orders/{no}/query":       {http.MethodPost: s.serveQuery},
		"/pay/charges":                 {http.MethodGet: s.serveCharges},
		"/pay/refunds":                 {http.MethodGet: s.serveRefunds},
		"/pay/audit":                   {http.MethodGet: s.serveAudit},
		"/pay/pause":                   {http.MethodPost: s.servePause},
		"/pay/resume":                  {http.MethodPost: s.serveUnpause},
		"/pay/events":                  {http.MethodGet: s.serveEvents},
		"/pay/events/{$}":              {http.MethodGet: s.serveEvent}, // an id that is empty is no other route
		"/pay/events/{id}":             {http.MethodGet: s.serveEvent},
		"/pay/events/{id}/{action...}": {http.MethodPost: s.serveDecision},
		"/pay/runs":                    {http.MethodGet: s.serveRuns, http.MethodPost: s.serveBegin},
		"/pay/runs/preview":            {http.MethodPost: s.servePreview},
		"/pay/runs/{id}":               {http.MethodGet: s.serveRun},
		"/pay/runs/{id}/stop":          {http.MethodPost: s.serveStop},
		"/pay/health":                  {http.MethodGet: s.serveHealth},
		"/pay/check":                   {http.MethodGet: s.serveCheck},
		"/pay/check/backend":           {http.MethodPost: s.serveTrial},
		"/pay/reconcile":               {http.MethodPost: s.serveReconcile},
		"/pay/ledger/verify":           {http.MethodPost: s.serveVerify},
		"/pay/ledger/backup":           {http.MethodPost: s.serveBackup},
	} {
		s.mux.Handle(path, m)
	}
	return s
}

// ServeHTTP answers what is under /pay/. Whoever reaches it may do all of it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if byOf(r.Context()) == "" {
		r = r.WithContext(WithBy(r.Context(), callerOf(r)))
	}
	s.mux.ServeHTTP(w, r)
}

// Error is a refusal, or a failure, as the admin API answers it.
type Error struct {
	Status  int    `json:"-"`              // HTTP's
	Code    string `json:"code,omitempty"` // why an action is not done to an event: Ineligible's
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

func refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Errorf(format, args...).Error()}
}

// route returns what to answer in JSON.
type route func(w http.ResponseWriter, r *http.Request) (any, error)

// methods are the routes of a path.
type methods map[string]route

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	if f, takes := m[r.Method]; takes {
		answer, err = f(w, r)
	} else {
		err = refuse(http.StatusMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, strings.Join(slices.Sorted(maps.Keys(m)), " or "), r.Method)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Status: http.StatusInternalServerError, Message: err.Error()}
		}
		w.WriteHeader(e.Status)
		answer = e
	}
	_ = json.NewEncoder(w).Encode(answer) // who has gone needs no answer
}

const bodyMax = 16 << 10

// readBody reads a request's JSON; want shows what to send.
func readBody(w http.ResponseWriter, r *http.Request, into any, want string) error {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	body.DisallowUnknownFields() // one who sends by believes to have signed
	if err := body.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "send %s: %w", want, err)
	}
	return nil
}

func (s *Server) ledger(ctx context.Context) (ledger.Ledger, error) {
	l, err := s.cfg.Ledger(ctx)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the ledger cannot be opened: %w", err)
	}
	return l, nil
}

func unread(err error) error {
	return refuse(http.StatusServiceUnavailable, "reading the ledger: %w", err)
}

// scopesOf returns the scope named, or all of the running sites.
func (s *Server) scopesOf(named ledger.Scope) []ledger.Scope {
	if named != (ledger.Scope{}) {
		return []ledger.Scope{named}
	}
	return s.cfg.Scopes()
}

var _ http.Handler = (*Server)(nil)
