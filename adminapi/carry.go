package adminapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
)

const (
	lookEvery = 2 * time.Second  // for runs of a process that is gone
	runLease  = 15 * time.Second // so long after its end they go on here
	saveEvery = time.Second
	runsMost  = 4               // at one time: one that is slow holds up no other
	giveBack  = 5 * time.Second // for the last write of a run that goes on elsewhere
)

// Carry carries out runs until the context ends: those that begin here, and those whose process is gone. The owner is unique among all processes.
func (s *runServer) Carry(ctx context.Context, owner string, log *zap.Logger) {
	l, err := s.open(ctx)
	if err != nil {
		log.Error("actions on many events are not carried out: the ledger cannot be opened", zap.Error(err))
		return
	}
	changed, stop := l.Watch(ledger.RunsTopic)
	defer stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, runsMost)
	for claims := 1; ; claims++ {
		select {
		case <-ctx.Done():
			return
		case free <- struct{}{}:
		}
		owner := owner + "#" + strconv.Itoa(claims) // whoever stood still for longer than its lease is not to save over whoever went on, in this process too
		run, err := l.ClaimRun(ctx, ledger.RunClaim{Owner: owner, Now: time.Now(), Until: time.Now().Add(runLease)})
		if err == nil {
			all.Go(func() {
				defer func() { <-free }()
				(&carrier{ledger: l, owner: owner, run: run, query: s.query, log: log.With(zap.String("run", run.ID))}).carry(ctx)
			})
			continue // perhaps there is another
		}
		<-free
		if !errors.Is(err, ledger.ErrNotFound) && ctx.Err() == nil {
			log.Warn("actions on many events wait for the ledger", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// carrier carries out one run.
type carrier struct {
	ledger ledger.Ledger
	owner  string
	run    *ledger.Run
	log    *zap.Logger
	task   task
	read   bool // the task is what the ledger has
	filter ledger.Filter
	query  func(ctx context.Context, scope ledger.Scope, orderNo string) error
	pace   *rate.Limiter
	saved  time.Time
}

// errStopped ends a run that a person has stopped.
var errStopped = errors.New("stopped")

func (c *carrier) carry(ctx context.Context) {
	err := json.Unmarshal(c.run.Doc, &c.task)
	walk := c.walk
	if c.task.Action == ActionQuery {
		walk = c.walkOrders
	} else if err == nil {
		c.filter, _, err = c.task.filter(time.Now())
	}
	if err == nil {
		c.read = true
		c.pace, c.saved = rate.NewLimiter(rate.Limit(c.task.Rate), 1), time.Now()
		c.log.Info("carrying out an action on many "+c.task.Things(), zap.String("action", string(c.task.Action)), zap.Int("eligible", c.task.Eligible))
		err = walk(ctx)
	}
	if stopped := errors.Is(err, errStopped); err == nil || stopped {
		if err = c.save(ctx, time.Now(), time.Time{}); err == nil {
			c.log.Info("the action on many events has ended", zap.Bool("stopped", stopped))
			return
		}
	}
	if errors.Is(err, ledger.ErrNotFound) { // another process has it by now
		return
	}
	if ctx.Err() == nil {
		c.log.Warn("an action on many events waits", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
	defer cancel()
	_ = c.save(last, time.Time{}, time.Time{}) // it goes on from here, in this process or another; else when the lease is over
}

// walk takes all events in turn, the newest first, and with an event all others of its order, in the order of the payment's life: what is
// delivered again keeps its lane.
func (c *carrier) walk(ctx context.Context) error {
	for ; c.task.At < len(c.task.Scopes); c.task.At, c.task.Before = c.task.At+1, 0 {
		f := c.filter
		f.Scope = c.task.Scopes[c.task.At]
		f.Before = cmp.Or(c.task.Before, f.Before)
		err := pages(ctx, c.ledger, f, func(page []ledger.Event) error {
			done := make(map[int64]bool) // decided before their turn
			for i := range page {
				if err := c.turn(ctx, &page[i], done); err != nil {
					return err
				}
				c.task.Before = page[i].Seq
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) turn(ctx context.Context, e *ledger.Event, done map[int64]bool) error {
	if done[e.Seq] {
		return nil
	}
	lane, err := c.lane(ctx, e)
	if err != nil {
		return err
	}
	for i := range lane {
		mate := &lane[i]
		if done[mate.Seq] {
			continue
		}
		code, why, err := c.decide(ctx, mate)
		if err != nil {
			return err
		}
		if code == "" {
			done[mate.Seq] = true
		} else if mate.Seq == e.Seq { // the others have their own turn to be counted
			c.task.Left = tell(c.task.Left, code, why, mate)
		}
	}
	return nil
}

// lane returns what the filter chooses of an event's order.
func (c *carrier) lane(ctx context.Context, e *ledger.Event) (lane []ledger.Event, err error) {
	if e.OrderNo == "" {
		return []ledger.Event{*e}, nil
	}
	f := c.filter
	f.Scope, f.OrderNo = e.Scope, e.OrderNo
	err = pages(ctx, c.ledger, f, func(page []ledger.Event) error {
		lane = append(lane, page...)
		return nil
	})
	slices.SortFunc(lane, func(a, b ledger.Event) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), a.Created.Compare(b.Created), cmp.Compare(a.Seq, b.Seq))
	})
	return lane, err
}

// decide does the action to one event, or says why not.
func (c *carrier) decide(ctx context.Context, e *ledger.Event) (code, why string, err error) {
	if err := c.breathe(ctx); err != nil {
		return "", "", err
	}
	now, err := examine(ctx, c.ledger, e.Scope, e.ID)
	if err != nil {
		return "", "", err
	}
	if !slices.Contains(c.filter.States, now.State) {
		e.State = now.State
		return "changed", " by now", nil
	}
	if code, why := judge(c.task.Action, now, c.task.Again); code != "" {
		return code, why, nil
	}
	if err := c.pace.Wait(ctx); err != nil {
		return "", "", err
	}
	err = c.ledger.Decide(ctx, ledger.Decision{
		Scope: e.Scope, EventID: e.ID, Action: c.task.Action, Now: time.Now(), By: c.task.By, Said: c.task.Said, Reason: c.task.Reason,
		From: now.State, Run: c.run.ID,
	})
	switch {
	case err == nil:
		logDecision(c.log, now.Event, c.task.Action, c.task.By)
	case errors.Is(err, ledger.ErrDecided):
		return "", "", nil
	case errors.Is(err, ledger.ErrState):
		return "changed", " and did not allow it when its turn came", nil
	}
	return "", "", err
}

// breathe keeps the lease and what was done, and looks whether a person has stopped the run.
func (c *carrier) breathe(ctx context.Context) error {
	if time.Since(c.saved) < saveEvery {
		return nil
	}
	return c.save(ctx, time.Time{}, time.Now().Add(runLease))
}

func (c *carrier) save(ctx context.Context, ended, until time.Time) (err error) {
	r := &ledger.Run{ID: c.run.ID, Ended: ended, Doc: c.run.Doc}
	if c.read {
		if r.Doc, err = json.Marshal(&c.task); err != nil {
			return err
		}
	}
	now, err := c.ledger.SaveRun(ctx, ledger.RunClaim{Owner: c.owner, Now: time.Now(), Until: until}, r)
	if err != nil {
		return err
	}
	c.saved = time.Now()
	if !now.Stopped.IsZero() && ended.IsZero() && !until.IsZero() {
		return errStopped
	}
	return nil
}
