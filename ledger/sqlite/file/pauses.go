package file

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// errYield ends what reads for long.
var errYield = errors.New("ended because the disk had failed and the -wal file had to begin anew; try again")

// pauses let the writer have the ledger to itself for a moment: what is read shortly is waited for, what takes long is ended.
type pauses struct {
	reading sync.RWMutex // held for reading while something is read
	asked   atomic.Bool
	long    sync.Map // of what takes long: the functions that end it
}

// pause waits until nobody reads; what it returns ends the pause.
func (p *pauses) pause() (end func()) {
	p.asked.Store(true)
	p.long.Range(func(_, end any) bool { end.(context.CancelCauseFunc)(errYield); return true })
	p.reading.Lock()
	return func() {
		p.asked.Store(false)
		p.reading.Unlock()
	}
}

// busy says whether something goes on that may take long.
func (p *pauses) busy() (yes bool) {
	p.long.Range(func(any, any) bool { yes = true; return false })
	return yes
}

// takeLong begins to read something that may take long. The context ends when the writer needs a pause.
func (p *pauses) takeLong(ctx context.Context) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	p.reading.RLock()
	p.long.Store(&end, end)
	if p.asked.Load() {
		end(errYield)
	}
	return ctx, func() {
		p.long.Delete(&end)
		p.reading.RUnlock()
		end(nil)
	}
}
