package relay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
)

// Probe sends one event as a relay would, and says how it was answered.
func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		rt   transport
		want Receipt // without Took
	}{
		"a receipt":  {answering(200, "success"), Receipt{OK: true, Status: 200, Said: "success", Reached: true}},
		"an error":   {answering(500, "abcdefghijklmnopq"), Receipt{Why: "your backend answered 500", Status: 500, Said: "abcdef…", Reached: true}},
		"a proxy":    {answering(502, ""), Receipt{Why: "your backend answered 502: the server behind it does not answer", Status: 502}},
		"nobody":     {failing(ErrUnsent), Receipt{Why: "your backend could not be reached: the backend could not be connected to"}},
		"no receipt": {answering(200, "<html>"), Receipt{Why: "your backend answered 200 with an HTML page, such as a login or error page", Status: 200, Said: "<html>", Reached: true}},
		"silence": {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
			Receipt{Why: "your backend did not answer within 30ms", Late: true}},
		"a receipt at the last moment": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return answering(500, "")(r)
		}, Receipt{Why: "your backend answered 500", Status: 500, Reached: true, Late: true}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			cfg := config(t, nil, transport(func(r *http.Request) (*http.Response, error) {
				asked++
				if r.Method != http.MethodPost || r.URL.Path != "/internal/pay/events" || r.Header.Get("X-Pay-Attempt") != "3" || r.Header.Get("X-Pay-Token") != "other" {
					t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
				}
				time.Sleep(time.Millisecond) // Took says so at least
				return c.rt(r)
			}))
			cfg.Owner = ""
			if cfg.Timeout = time.Minute; c.want.Late {
				cfg.Timeout = 30 * time.Millisecond
			}
			ev := newEvent("evt_1", time.Now())
			ev.Attempts = 2
			got, err := Probe(t.Context(), cfg, ev, func(h http.Header) { h.Set("X-Pay-Token", "other") })
			if err != nil || got.Took < time.Millisecond || asked != 1 {
				t.Errorf("%d requests, %s, %v", asked, got.Took, err)
			}
			if got.Took = 0; got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
}

// What a probe leaves as it is, and what it refuses.
func TestProbeAsConfigured(t *testing.T) {
	cfg := config(t, nil, transport(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPut || r.Header.Get("X-Pay-Token") != strings.Repeat("t", 32) {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if end, ok := r.Context().Deadline(); !ok || time.Until(end) > DefaultTimeout {
			t.Errorf("it may take until %s", end)
		}
		return answering(204, "")(r)
	}))
	cfg.Method = http.MethodPut
	if got, err := Probe(t.Context(), cfg, newEvent("evt_1", time.Now()), nil); !got.OK || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	cfg.Method = "NO SUCH"
	if got, err := Probe(t.Context(), cfg, newEvent("evt_1", time.Now()), nil); !strings.HasPrefix(got.Why, "the request to your backend could not be made") || got.Late || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	cfg.Path = "no path"
	if _, err := Probe(context.Background(), cfg, newEvent("evt_1", time.Now()), nil); err == nil || !strings.Contains(err.Error(), "the events path must be a path like /internal/pay/events") {
		t.Error(err)
	}
}

// What a relay cannot work without, or with.
func TestNewRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		"whole":               {func(*Config) {}, ""},
		"no secret":           {func(c *Config) { c.Secrets = nil }, ""},
		"no token":            {func(c *Config) { c.Token = redact.New("") }, ""},
		"neither":             {func(c *Config) { c.Token, c.Secrets = redact.New(""), nil }, "events need a secret, or the site a backend_token"},
		"an empty secret":     {func(c *Config) { c.Secrets = append(c.Secrets, Secret{}) }, "an events secret is empty"},
		"no app":              {func(c *Config) { c.Scope.App = "" }, "the scope needs an app and a mode"},
		"no mode":             {func(c *Config) { c.Scope.Mode = "" }, "the scope needs an app and a mode"},
		"no ledger":           {func(c *Config) { c.Ledger = nil }, "a ledger, a backend and an owner are required"},
		"no backend":          {func(c *Config) { c.Backend = nil }, "a ledger, a backend and an owner are required"},
		"no owner":            {func(c *Config) { c.Owner = "" }, "a ledger, a backend and an owner are required"},
		"no path":             {func(c *Config) { c.Path = "" }, "the events path must be a path like /internal/pay/events"},
		"no method":           {func(c *Config) { c.Method = "NO SUCH" }, "relay: events: "},
		"a timeout below 0":   {func(c *Config) { c.Timeout = -1 }, "timeout, concurrency and poll must be positive"},
		"concurrency below 0": {func(c *Config) { c.Concurrency = -1 }, "timeout, concurrency and poll must be positive"},
		"poll below 0":        {func(c *Config) { c.Poll = -1 }, "timeout, concurrency and poll must be positive"},
		"all by default":      {func(c *Config) { c.Timeout, c.Concurrency, c.Poll, c.Method, c.Retry = 0, 0, 0, "", nil }, ""},
		"nothing by default": {func(c *Config) {
			c.Timeout, c.Concurrency, c.Poll, c.Method, c.Retry = 1, 2, 3, http.MethodPut, []time.Duration{4}
		}, ""},
		"no gap":        {func(c *Config) { c.Retry = []time.Duration{time.Second, 0} }, "the retry gap 0s must be positive"},
		"a gap below 0": {func(c *Config) { c.Retry = []time.Duration{-time.Second} }, "the retry gap -1s must be positive"},
		"tried once":    {func(c *Config) { c.Retry = []time.Duration{} }, ""},
	} {
		cfg := config(t, &failingLedger{}, failing(errors.New("nobody")))
		c.change(&cfg)
		r, err := New(cfg)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "all by default" && (r.cfg.Timeout != DefaultTimeout || r.cfg.Concurrency != DefaultConcurrency || r.cfg.Poll != DefaultPoll || r.cfg.Method != http.MethodPost ||
			len(r.schedule.retry) != len(DefaultRetry) || r.courier.timeout != DefaultTimeout || r.courier.method != http.MethodPost || r.breaker.limit != DefaultConcurrency) {
			t.Errorf("%s: %+v", name, r.cfg)
		}
		if name == "nothing by default" && (r.cfg.Timeout != 1 || r.cfg.Concurrency != 2 || r.cfg.Poll != 3 || r.cfg.Method != http.MethodPut || len(r.cfg.Retry) != 1) {
			t.Errorf("%s: %+v", name, r.cfg)
		}
		if err == nil && (cap(r.freed) != 1 || cap(r.retimed) != 1) { // a signal that nobody has taken yet waits
			t.Errorf("%s: room for %d and %d signals", name, cap(r.freed), cap(r.retimed))
		}
		if name == "tried once" && len(r.schedule.retry) != 0 {
			t.Errorf("%s: %v", name, r.schedule.retry)
		}
	}
}
