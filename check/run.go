package check

import (
	"context"
	"fmt"
	"time"
)

// How long checks may take: each, and all together, whatever they wait for.
const (
	Each = 5 * time.Second
	All  = 15 * time.Second
)

// Check looks at one thing.
type Check struct {
	ID   string // of its findings, where it cannot say so itself
	Site string
	Run  func(ctx context.Context) []Finding // it should end when ctx does; findings without ID or Site get the check's
}

// atOnce is how many checks run at one time. They mostly wait for others.
const atOnce = 16

// Run carries out checks, many at once, and returns what they found in the order of the checks. A check that does not end in time, or panics,
// is a finding of its own: nobody knows then.
func Run(ctx context.Context, checks []Check) []Finding {
	return run(ctx, checks, Each, All)
}

func run(ctx context.Context, checks []Check, each, all time.Duration) (findings []Finding) {
	ctx, cancel := context.WithTimeout(ctx, all)
	defer cancel()
	slots := make(chan struct{}, atOnce)
	found := make([]chan []Finding, len(checks))
	for i, c := range checks {
		found[i] = make(chan []Finding, 1) // a check that comes too late finds room, and nobody who reads
		go func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				found[i] <- c.unfinished(all)
				return
			}
			one, cancel := context.WithTimeout(ctx, each)
			defer cancel()
			done := make(chan []Finding, 1)
			go func() {
				sooner, cancel := context.WithTimeout(one, each*9/10) // who ends with it can still say what it waited for
				defer cancel()
				done <- c.run(sooner)
			}()
			select {
			case f := <-done:
				found[i] <- f
			case <-one.Done():
				found[i] <- c.unfinished(each)
			}
		}()
	}
	for _, f := range found {
		findings = append(findings, <-f...)
	}
	return findings
}

func (c Check) run(ctx context.Context) (found []Finding) {
	defer func() {
		if p := recover(); p != nil {
			found = []Finding{{ID: c.ID, Site: c.Site, Result: Unknown,
				Text: say("the check itself broke: %.200s", "检查程序自身出错：%.200s", fmt.Sprint(p))}}
		}
	}()
	found = c.Run(ctx)
	for i := range found {
		if found[i].ID == "" {
			found[i].ID = c.ID
		}
		if found[i].Site == "" {
			found[i].Site = c.Site
		}
	}
	return found
}

func (c Check) unfinished(most time.Duration) []Finding {
	return []Finding{{ID: c.ID, Site: c.Site, Result: Unknown,
		Text: say("this could not be found out within %s", "未能在 %s 内查明", most)}}
}
