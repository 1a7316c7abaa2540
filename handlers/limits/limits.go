// Package limits is how often anybody may ask for what costs something.
package limits

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/session"
)

// Rate is how often something may happen: N times in a time, all of them at once if need be, and then again as they become free.
type Rate struct {
	N   int
	Per time.Duration // a second, a minute or an hour
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

const maxRate = 1_000_000

// ParseRate reads a rate like 60/m: a whole number from 1 to 1000000, a slash, and s, m or h.
func ParseRate(text string) (Rate, error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	per := rateUnits[unit]
	if err != nil || n < 1 || n > maxRate || per == 0 {
		return Rate{}, fmt.Errorf("%q is not a rate: write a number from 1 to %d, a slash, and s, m or h, like 60/m", text, maxRate)
	}
	return Rate{N: n, Per: per}, nil
}

func (r Rate) String() string {
	for unit, per := range rateUnits {
		if per == r.Per {
			return fmt.Sprintf("%d/%s", r.N, unit)
		}
	}
	return fmt.Sprintf("%d/%s", r.N, r.Per)
}

func (r Rate) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), r.N)
}

// half is a limiter of half the rate, and of one at once at least.
func (r Rate) half() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()/2), max(r.N/2, 1))
}

// Limits are the budgets of a site, or of several that share them.
type Limits struct {
	Address Rate // for each client address, of what comes without a session: logins
	OpenID  Rate // for each user: creating charges, waiting for one, reporting on one
	App     Rate // for all together: calls to WeChat, and, by itself, creations of charges at Ping++, half of them for those who are logged in
	Refused Rate // for each client address: webhooks that do not verify
	Waiters int  // requests that wait for a payment at once

	// Attempts is how many charges of one order may still be paid; a payer may have twice as many, of all orders.
	Attempts int
}

// Default are the limits of a site that sets none.
var Default = Limits{
	Address: Rate{60, time.Minute}, OpenID: Rate{30, time.Minute}, App: Rate{6000, time.Minute}, Refused: Rate{60, time.Minute}, Waiters: 2000,
	Attempts: 10,
}

// Budgets count what is spent of limits. They are safe for concurrent use.
type Budgets struct {
	Limits           Limits
	address, refused *budget[netip.Prefix]
	openid           *budget[payerKey]
	logins, charges  *rate.Limiter
	visitors         *rate.Limiter // of charges, what those without a login may take
	Waiting          atomic.Int64  // requests that wait for a payment now
	Webhooks, Bodies body.Memory   // of what is being read: a flood of the former keeps nobody from paying
}

type payerKey struct{ appID, openID string }

// NewBudgets returns budgets of which nothing is spent.
func NewBudgets(l Limits) *Budgets {
	return &Budgets{
		Limits: l, address: newBudget[netip.Prefix](l.Address), refused: newBudget[netip.Prefix](l.Refused), openid: newBudget[payerKey](l.OpenID),
		logins: l.App.limiter(), charges: l.App.limiter(), visitors: l.App.half(),
	}
}

// Login lets an address use a login code. Every code counts, a wrong one too: whoever guesses runs dry before WeChat is asked.
func (b *Budgets) Login(addr string, now time.Time) error {
	return problem.Limited("address", b.address.take(addressKey(addr), now))
}

// Exchange lets a login code be sent to WeChat.
func (b *Budgets) Exchange(now time.Time) error {
	return problem.Limited("app, logins", take(b.logins, now))
}

// User lets somebody make a request about payments. Who has an openid is counted by it, wherever they are: others behind the same
// address cannot lock them out. Who has none is counted by address.
func (b *Budgets) User(id session.Identity, addr string, now time.Time) error {
	if id.OpenID == "" {
		return problem.Limited("address", b.address.take(addressKey(addr), now))
	}
	return problem.Limited("openid", b.openid.take(payerKey{id.AppID, id.OpenID}, now))
}

// Charge lets a charge be made at Ping++. Whoever has no login takes from one half: visitors cost nothing to make up, and are to leave
// the other to users.
func (b *Budgets) Charge(id session.Identity, now time.Time) error {
	if id.OpenID == "" {
		if err := problem.Limited("app, charges of visitors", take(b.visitors, now)); err != nil {
			return err
		}
	}
	return problem.Limited("app, charges", take(b.charges, now))
}

// Refusal counts a webhook that was refused. One that verifies is never counted, and limited only by the memory of all, since Ping++'s own may share
// their address with others behind one proxy.
func (b *Budgets) Refusal(addr string, now time.Time) error {
	return problem.Limited("refused", b.refused.take(addressKey(addr), now))
}

// Unverified lets Ping++ be asked about an event that came unsigned, unless its address has sent too much that was refused.
func (b *Budgets) Unverified(addr string, now time.Time) error {
	return problem.Limited("refused", b.refused.left(addressKey(addr), now))
}

// Wait takes one of the places of those who wait; leave gives it back.
func (b *Budgets) Wait() (leave func(), err error) {
	if b.Waiting.Add(1) > int64(b.Limits.Waiters) {
		b.Waiting.Add(-1)
		return nil, problem.Limited("waiters", 5*time.Second)
	}
	return func() { b.Waiting.Add(-1) }, nil
}

// take spends one, or says how long it takes until one is free again.
func take(l *rate.Limiter, now time.Time) time.Duration {
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // the request is turned away: it must not push the next one back
	}
	return wait
}

// left says how long it takes until one is free, and spends none.
func left(l *rate.Limiter, now time.Time) time.Duration {
	r := l.ReserveN(now, 1)
	defer r.CancelAt(now)
	return r.DelayFrom(now)
}

// maxKeys is how many keys one generation of a budget holds: about ten megabytes.
const maxKeys = 50_000

// budget limits each key by itself, in bounded memory. Its keys are kept in two generations: one that is not used in either is
// forgotten, with its budget whole again by then, since a generation lasts as long as a spent budget takes to be whole. A flood from
// more keys than a generation holds turns it earlier: those who came longest ago are forgotten first, and what holds the flood off
// WeChat and Ping++ then is the app's own budget, which has no keys.
type budget[K comparable] struct {
	rate Rate

	mu          sync.Mutex
	young, aged map[K]*rate.Limiter
	turned      time.Time
}

func newBudget[K comparable](r Rate) *budget[K] {
	return &budget[K]{rate: r, young: make(map[K]*rate.Limiter)}
}

func (b *budget[K]) take(key K, now time.Time) time.Duration { return take(b.limiter(key, now), now) }

func (b *budget[K]) left(key K, now time.Time) time.Duration { return left(b.limiter(key, now), now) }

// limiter returns the key's.
func (b *budget[K]) limiter(key K, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.young[key]
	if l == nil {
		if len(b.young) >= maxKeys || now.Sub(b.turned) >= b.rate.Per {
			b.aged, b.young, b.turned = b.young, make(map[K]*rate.Limiter), now
		}
		if l = b.aged[key]; l == nil {
			l = b.rate.limiter()
		}
		b.young[key] = l
	}
	return l
}

// addressKey is what addresses are counted by: an IPv6 client has a /64 of its own to choose from. What is no address is counted as
// one client.
func addressKey(addr string) netip.Prefix {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // the bits fit
	return p
}
