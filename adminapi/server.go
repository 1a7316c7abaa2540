// Package adminapi is what operators see of payments and events, and what they decide about them: the JSON types, one server over the
// ledger, and its client. Caddy's admin endpoint mounts the server under /pay/; the commands of `caddy pay` are the client. What may be
// done to which event is decided here and nowhere else.
// Server.Routes lists what there is, docs/admin-api.openapi.json tells it to programs, and docs/admin-api.md to people.
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
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/shipping"
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
	// QueryInTurn is Query for one of many, within what the app may ask Ping++ while others wait for nothing.
	QueryInTurn func(ctx context.Context, scope ledger.Scope, orderNo string) error
	// Unpriced returns why an order got no price when somebody last wanted to pay it, as one of the sites of these scopes knows.
	Unpriced func(scopes []ledger.Scope, orderNo string) (payment.Unpriced, bool)
	// Ships says whether WeChat is told of the shipping of an app in a mode; nil: of none.
	Ships func(ledger.Scope) bool
	// ShippingPauses are why this process does not tell WeChat of payments of an app in a mode now. Default: it does.
	ShippingPauses func(ledger.Scope) []shipping.Pause
	// Seen returns what this process has seen; what a reason means is not in it yet.
	Seen func() Seen
	// Check carries out all checks.
	Check func(context.Context) []check.Finding
	// TryBackend tries the backend of a site, or of all; an error says that there is none.
	TryBackend func(ctx context.Context, site string, t check.Trial) ([]check.Finding, error)
	// Logger is told of what persons decide. Default: none.
	Logger *zap.Logger
}

// Server answers for one configuration; make one with New. Its methods are those of Client, each in the part of what it is about: a page in the same process calls them as they are.
type Server struct {
	mux *http.ServeMux
	eventServer
	runServer
	orderServer
	listServer
	figureServer
	haltServer
	checkServer
	seenServer
	shipServer
	healthServer
	sweepServer
	ledgerServer
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	b := books{open: cfg.Ledger, running: cfg.Scopes, log: cfg.Logger}
	ships := cfg.Ships
	if ships == nil {
		ships = func(ledger.Scope) bool { return false }
	}
	pauses := cfg.ShippingPauses
	if pauses == nil {
		pauses = func(ledger.Scope) []shipping.Pause { return nil }
	}
	shipments := shipServer{b, ships, pauses}
	s := &Server{
		mux: http.NewServeMux(), eventServer: eventServer{b, cfg.Unpriced}, runServer: runServer{b, cfg.QueryInTurn}, orderServer: orderServer{b, cfg.Query, cfg.Unpriced, pauses},
		listServer: listServer{b}, figureServer: figureServer{b, &shipments}, haltServer: haltServer{b}, checkServer: checkServer{cfg.Check, cfg.TryBackend, looks{turn: make(chan struct{}, 1)}}, seenServer: seenServer{cfg.Seen}, shipServer: shipments,
		healthServer: healthServer{b, cfg.File}, sweepServer: sweepServer{b, cfg.Sweep}, ledgerServer: ledgerServer{b, cfg.File},
	}
	paths := make(map[string]methods)
	for _, r := range s.Routes() {
		if paths[r.Path] == nil {
			paths[r.Path] = make(methods)
			for _, pattern := range patterns(r.Path) {
				s.mux.Handle(pattern, paths[r.Path])
			}
		}
		paths[r.Path][r.Method] = r.serve
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
	Code    string `json:"code,omitempty"` // why an action is not done: Ineligible's, or of a shipping report over, test_mode, nothing_reported, reported, corrected, complete, parcels, off, channel, not_paid, held, reversed, refunded or changed
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

func refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Errorf(format, args...).Error()}
}

// methods are what answers a path, by method: each returns what to answer in JSON.
type methods map[string]func(w http.ResponseWriter, r *http.Request) (any, error)

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

// readBody reads a request's JSON.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	body.DisallowUnknownFields() // one who sends by believes to have signed
	if err := body.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "send %s: %w", form(reflect.TypeOf(into).Elem()), err)
	}
	return nil
}

// form shows what a body looks like.
func form(t reflect.Type) string {
	var members []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		members = append(members, strconv.Quote(name)+": …")
	}
	return "{" + strings.Join(members, ", ") + "}"
}

var _ http.Handler = (*Server)(nil)
