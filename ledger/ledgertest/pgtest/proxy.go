package pgtest

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Proxy is the network between a node and a server. What it is told holds for all connections through it, also for those that are open.
type Proxy struct {
	listener net.Listener
	network  string // where the server listens
	address  string
	database string
	closed   chan struct{}
	going    sync.WaitGroup

	mu     sync.Mutex
	change chan struct{} // closed when one of the following changes
	cut    bool          // connections break, and new ones too
	asks   bool          // what is sent to the server does not arrive yet
	tells  bool          // what the server sends does not
	delay  time.Duration
	conns  map[net.Conn]bool
	dials  []time.Time
}

// NewProxy puts one in front of the server of a DSN that [Server.DSN], [PgBouncer.DSN] or another proxy has returned.
func NewProxy(t testing.TB, dsn string) *Proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{network: "tcp", address: u.Host, database: u.Path[1:], closed: make(chan struct{}), change: make(chan struct{}), conns: make(map[net.Conn]bool)}
	if q := u.Query(); q.Get("host") != "" {
		p.network, p.address = "unix", fmt.Sprintf("%s/.s.PGSQL.%s", q.Get("host"), q.Get("port"))
	}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.going.Go(p.accept)
	t.Cleanup(func() {
		close(p.closed)
		_ = p.listener.Close()
		p.breakAll()
		p.going.Wait()
	})
	return p
}

// DSN is where the database of the DSN is found through it.
func (p *Proxy) DSN() string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.listener.Addr(), p.database)
}

// Cut breaks all connections, and every new one, until [Proxy.Heal].
func (p *Proxy) Cut() {
	p.set(func() { p.cut = true })
	p.breakAll()
}

// Break breaks all connections; new ones work.
func (p *Proxy) Break() { p.breakAll() }

// Swallow lets nothing through in either direction, and breaks no connection, until [Proxy.Heal], or until they are broken: as when a cable is pulled.
func (p *Proxy) Swallow() { p.set(func() { p.asks, p.tells = true, true }) }

// SwallowAnswers does so with what the server sends alone: it does what it is asked, and nobody hears of it.
func (p *Proxy) SwallowAnswers() { p.set(func() { p.tells = true }) }

// Delay has all that goes through, in each direction, wait for so long.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Heal undoes all of that; what was swallowed arrives, where the connection is still open.
func (p *Proxy) Heal() { p.set(func() { p.cut, p.asks, p.tells, p.delay = false, false, false, 0 }) }

// Dials says when each connection through it was asked for, those that broke at once too.
func (p *Proxy) Dials() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.dials)
}

func (p *Proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.change)
	p.change = make(chan struct{})
}

func (p *Proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		abort(c)
	}
	close(p.change) // whoever waits looks at its connection
	p.change = make(chan struct{})
}

// abort closes a connection so that the other side hears it at once, whatever is still unsent.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.dials = append(p.dials, time.Now())
		p.mu.Unlock()
		server, err := net.Dial(p.network, p.address)
		if err != nil || !p.keep(client, server) {
			abort(client)
			if err == nil {
				abort(server)
			}
			continue
		}
		over := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() { p.carry(server, client, over, func() bool { return p.asks }) })
		both.Go(func() { p.carry(client, server, over, func() bool { return p.tells }) })
		p.going.Go(func() {
			both.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.conns, client)
			delete(p.conns, server)
		})
	}
}

// keep takes note of a connection's two ends, unless it has to break.
func (p *Proxy) keep(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
	}
	if p.cut {
		return false
	}
	p.conns[client], p.conns[server] = true, true
	return true
}

// carry hands on what comes from one end to the other, until one of them is closed; held says, under the lock, whether it has to wait.
func (p *Proxy) carry(to, from net.Conn, over chan struct{}, held func() bool) {
	defer func() {
		abort(to)
		abort(from)
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-over:
		default:
			close(over)
		}
	}()
	chunk := make([]byte, 64<<10)
	for {
		n, err := from.Read(chunk)
		if err != nil || !p.pass(over, held) {
			return
		}
		if _, err := to.Write(chunk[:n]); err != nil {
			return
		}
	}
}

// pass waits until a chunk may go on; false: its connection, or the proxy, is closed.
func (p *Proxy) pass(over chan struct{}, held func() bool) bool {
	var timer *time.Timer
	for {
		p.mu.Lock()
		wait, delay, change := held(), p.delay, p.change
		p.mu.Unlock()
		if !wait && (delay == 0 || timer != nil) {
			return true
		}
		var passed <-chan time.Time
		if !wait {
			timer = time.NewTimer(delay)
			passed = timer.C
		}
		select {
		case <-p.closed:
			return false
		case <-over:
			return false
		case <-change:
			timer = nil
		case <-passed:
		}
	}
}
