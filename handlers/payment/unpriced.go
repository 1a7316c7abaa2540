package payment

import (
	"slices"
	"sync"
	"time"
)

const maxUnpriced = 500 // orders that a site remembers

// Unpriced says why an order got no price.
type Unpriced struct {
	At  time.Time
	Why string // as in the log
}

// unpriced remembers the orders that last got no price, for whoever misses them: such an order never comes into the ledger, and a stranger who makes
// numbers up shall fill neither that nor our memory. The log has them all.
type unpriced struct {
	mu     sync.Mutex
	orders map[string]Unpriced
	oldest []string // their numbers, in the order in which they came
}

// note keeps what became of a question for a price; without an error what was kept before is over.
func (u *unpriced) note(orderNo string, at time.Time, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.orders, orderNo)
	u.oldest = slices.DeleteFunc(u.oldest, func(no string) bool { return no == orderNo })
	if err == nil {
		return
	}
	if len(u.oldest) == maxUnpriced {
		delete(u.orders, u.oldest[0])
		u.oldest = slices.Delete(u.oldest, 0, 1)
	}
	if u.orders == nil {
		u.orders = make(map[string]Unpriced)
	}
	u.orders[orderNo] = Unpriced{at, err.Error()}
	u.oldest = append(u.oldest, orderNo)
}

// Unpriced returns why an order got no price when somebody last wanted to pay it, since the configuration was loaded.
func (p *Prices) Unpriced(orderNo string) (Unpriced, bool) {
	p.unpriced.mu.Lock()
	defer p.unpriced.mu.Unlock()
	why, ok := p.unpriced.orders[orderNo]
	return why, ok
}
