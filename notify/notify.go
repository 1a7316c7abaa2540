// Package notify tells people of incidents: one message when something begins to be wrong, and one when it is over, to chats or to a service of
// the merchant's own, and if they want a summary of each day. What is wrong is what the doctor finds, in its words (package check).
//
// It knows no Caddy, and nothing waits for it: what it cannot tell, it tells later or not at all.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
)

// Look is how often the doctor is asked.
const Look = 30 * time.Second

// lease is how long after the last sign of life of who tells another process begins to.
const lease = 3 * Look

// Store keeps one small document for each target, so that who comes after a reload, a restart or a failure knows what was told.
type Store interface {
	// Change replaces a document (nil: there is none) by what change returns, unless that is an error; nobody else, in any process, is in Change of
	// the same name meanwhile.
	Change(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error
}

// Config is what a Notifier needs.
type Config struct {
	Targets []Target
	Look    func(context.Context) []check.Finding // those of Watched checks, or more
	Sum     func(context.Context) (check.Words, error)
	Store   Store
	Alone   bool   // while Store fails, what is wrong is told all the same, perhaps by several processes: the ledger that it is kept with may be what is wrong
	Owner   string // unique among all processes and configurations
	Now     func() time.Time
	Every   time.Duration // between looks; default: Look
	Logger  *zap.Logger
	Client  *http.Client // nil: one of its own
}

// Notifier looks and tells.
type Notifier struct{ cfg Config }

// New makes one that does nothing before Run.
func New(cfg Config) *Notifier {
	if cfg.Every == 0 {
		cfg.Every = Look
	}
	if cfg.Client == nil {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.DisableKeepAlives = true // a message a day
		cfg.Client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Notifier{cfg}
}

// Run looks and tells until the context ends, and then ends an attempt that is under way, at most.
func (n *Notifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	tellers := make([]*teller, len(n.cfg.Targets))
	for i, target := range n.cfg.Targets {
		tellers[i] = &teller{Config: n.cfg, target: target, looked: make(chan []check.Finding, 1),
			log: n.cfg.Logger.With(zap.String("notify", target.name()))}
		all.Go(func() { tellers[i].run(ctx) })
	}
	tick := time.NewTicker(n.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C: // the first look comes late enough for the sites to serve
		}
		found := n.cfg.Look(ctx)
		if ctx.Err() != nil {
			return // what was cut short says nothing
		}
		for _, t := range tellers {
			select {
			case <-t.looked: // one that it had no time for
			default:
			}
			t.looked <- found
		}
	}
}

// teller tells one target.
type teller struct {
	Config
	target Target
	looked chan []check.Finding
	log    *zap.Logger
	failed int    // attempts in a row
	summed string // the last day that was, as far as this teller knows
	alone  *state // what was told while the Store failed
}

// gaps are those between attempts that fail; the last one stays.
var gaps = []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

// pace keeps within twenty messages a minute, which is what the robots take.
const pace = 3 * time.Second

func (t *teller) run(ctx context.Context) {
	defer t.leave(context.WithoutCancel(ctx))
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		var found []check.Finding
		select {
		case <-ctx.Done():
			return
		case found = <-t.looked:
		case <-next.C:
		}
		wait, err := t.turn(ctx, found)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("what was told cannot be kept in Caddy's storage, so nothing is told; trying again", zap.Error(err))
		}
		if wait > 0 {
			next.Reset(wait)
		}
	}
}

// turn takes in what was found, if this process is the one that tells, and makes an attempt with what waits first. It returns when to come
// again, looks aside; 0: not before the next one.
func (t *teller) turn(ctx context.Context, found []check.Finding) (wait time.Duration, err error) {
	sum := ""
	if found != nil && t.target.Summary >= 0 && t.Sum != nil && t.summed != day(t.Now(), t.target.Summary) {
		sum = t.summary(ctx)
	}
	var first *message
	err = t.change(ctx, func(s *state) {
		now := t.Now()
		if found != nil {
			s.mind(found, now, t.target.Language)
			s.sum(sum, now, t.target.Summary)
			t.summed = s.Summed
		}
		if dropped := s.tidy(now); dropped > 0 {
			t.log.Warn("messages were dropped, being too many or too old", zap.Int("messages", dropped))
		}
		if len(s.Waiting) > 0 && (!now.Before(s.Next) || s.Next.Sub(now) > gaps[len(gaps)-1]) { // further ahead the clock was put back
			m := s.Waiting[0]
			first = &m
		}
	})
	if err != nil || first == nil {
		return 0, err
	}
	// What is under way is not cut off by a reload: nobody could say whether it was told.
	last := context.WithoutCancel(ctx)
	failure := t.target.send(last, t.Client, *first, t.Now())
	err = t.change(last, func(s *state) {
		if failure == nil {
			t.failed, wait = 0, pace
			s.told(first.ID)
			s.Next = t.Now().Add(pace)
			return
		}
		wait = gaps[min(t.failed, len(gaps)-1)]
		t.failed++
		s.Next = t.Now().Add(wait)
	})
	if failure != nil {
		t.log.Warn("a message could not be sent, trying again", zap.String("message", first.ID), zap.Duration("in", wait), zap.Error(failure))
	} else {
		t.log.Info("told", zap.String("message", first.ID), zap.String("type", first.Type))
	}
	return wait, err
}

// summary is today's, in the target's language; empty when there is none to be had.
func (t *teller) summary(ctx context.Context) string {
	words, err := t.Sum(ctx)
	if err != nil {
		t.log.Warn("the day could not be summed up", zap.Error(err))
		return ""
	}
	return words.In(t.target.Language)
}

// errElse means that another process tells, or another configuration that has not ended yet.
var errElse = errors.New("another tells")

// change carries out a change of the state as the one that tells, and nothing when another is.
func (t *teller) change(ctx context.Context, change func(*state)) error {
	ctx, cancel := context.WithTimeout(ctx, Look)
	defer cancel()
	err := t.Store.Change(ctx, t.target.name(), func(old []byte) ([]byte, error) {
		s, now := readState(old), t.Now()
		if s.Owner != t.Owner && s.Owner != "" && now.Before(s.Until) && s.Until.Sub(now) <= 2*lease { // other nodes have clocks of their own
			return nil, errElse
		}
		s.Owner, s.Until = t.Owner, now.Add(lease)
		s.join(t.alone)
		change(s)
		return json.Marshal(s)
	})
	switch {
	case err == nil:
		t.alone = nil
	case err == errElse:
		return nil
	case t.Alone && ctx.Err() == nil || t.Alone && errors.Is(ctx.Err(), context.DeadlineExceeded):
		if t.alone == nil {
			t.alone = readState(nil)
			t.log.Warn("what was told cannot be kept, so this process tells by itself", zap.Error(err))
		}
		change(t.alone)
		return nil
	}
	return err
}

// leave lets another begin at once.
func (t *teller) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sendMost)
	defer cancel()
	err := t.Store.Change(ctx, t.target.name(), func(old []byte) ([]byte, error) {
		s := readState(old)
		if s.Owner != t.Owner {
			return nil, errElse
		}
		s.Owner, s.Until = "", time.Time{}
		return json.Marshal(s)
	})
	if err != nil && err != errElse {
		t.log.Warn("another process begins to tell late", zap.Error(err))
	}
}
