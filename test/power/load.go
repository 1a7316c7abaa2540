package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	price       = 100                   // fen, of every order
	back        = price / 2             // fen that go back with a refund
	connections = 6                     // that bring webhooks at the same time
	pace        = 50 * time.Millisecond // between orders on one of them, once enough are acknowledged
)

// load is what is asked of the processes while they are recorded.
type load struct {
	stage *stage

	mu    sync.Mutex
	notes notes
	next  atomic.Int64
}

// makeRecord records a run in a folder: a new ledger, webhooks, charges and deliveries; a second process that opens the ledger and closes it, while
// the first is busy and while it is not; a kill; a restart, which prunes; more of all that; and an orderly end.
func makeRecord(ctx context.Context, o options, dir string) (err error) {
	s, err := newStage(ctx, dir, o.bin)
	if err != nil {
		return err
	}
	l := &load{stage: s, notes: notes{
		Scope: ledger.Scope{App: s.box.App(), Mode: ledger.Test}, Ping: s.ping.Listener.Addr().String(), Backend: s.backend.Listener.Addr().String(),
		Asked: make(map[string][]string), Events: make(map[string]*event),
	}}
	o.say("recording %d webhooks", o.events)
	begun := time.Now()
	err = l.play(ctx, o.events, o.copies)
	if err = errors.Join(err, s.close()); err != nil {
		return err
	}
	o.say("recorded in %s", time.Since(begun).Round(time.Millisecond))
	return l.notes.write(dir)
}

func (l *load) play(ctx context.Context, events int, copies bool) error {
	first, err := l.stage.start(ctx, "a")
	if err != nil {
		return err
	}
	if err := l.send(ctx, first, events/8, nil); err != nil {
		return err
	}
	for _, busy := range []bool{true, false} {
		var second *server
		err = l.send(ctx, first, events/16, func() (err error) { second, err = l.stage.start(ctx, "b"); return err })
		if err != nil {
			return err
		}
		if err := l.send(ctx, second, events/32, nil); err != nil {
			return err
		}
		end := func() error { return second.end(syscall.SIGTERM, 0) }
		if busy {
			err = l.send(ctx, first, events/32, end)
		} else {
			err = end() // all of the -wal file is copied, and it begins anew
		}
		if err != nil {
			return err
		}
	}
	if err := l.send(ctx, first, events/8, func() error { return first.end(syscall.SIGKILL, 128+int(syscall.SIGKILL)) }); err != nil {
		return err
	}
	if first, err = l.stage.start(ctx, "c"); err != nil {
		return err
	}
	meanwhile := l.awaitCopying()
	if !copies {
		meanwhile = nil
	}
	if err := l.send(ctx, first, events/2, meanwhile); err != nil {
		return err
	}
	if err := first.end(syscall.SIGTERM, 0); err != nil {
		return err
	}
	log, err := os.ReadFile(l.stage.logFile.Name())
	if err == nil && !bytes.Contains(log, []byte(`"msg":"pruned"`)) {
		err = errors.New("nothing was pruned; see log")
	}
	return err
}

// awaitCopying returns a function that waits until the -wal file has been copied into the ledger's own, by the one process that there is.
func (l *load) awaitCopying() func() error {
	file := filepath.Join(l.stage.dir, ledgerHome, ledgerFile)
	before, err := os.Stat(file)
	return func() error {
		for deadline := time.Now().Add(startLimit); err == nil; time.Sleep(10 * time.Millisecond) {
			var now os.FileInfo
			if now, err = os.Stat(file); err == nil && !now.ModTime().Equal(before.ModTime()) {
				return nil
			}
			if err == nil && time.Now().After(deadline) {
				err = errors.New("the -wal file is not copied into the ledger's own, however much is written")
			}
		}
		return err
	}
}

// send brings webhooks on some connections, and buys something on one more: until so many are acknowledged, and then on while something else is done.
func (l *load) send(ctx context.Context, to *server, events int, meanwhile func() error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var acknowledged atomic.Int64
	reached := make(chan struct{})
	var once sync.Once
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			c := &line{load: l, addr: to.addr}
			defer c.close()
			for ctx.Err() == nil {
				n, err := l.order(c)
				if acknowledged.Add(int64(n)) >= int64(events) {
					once.Do(func() { close(reached) })
				}
				if err != nil { // the process is gone, on purpose: else too few are acknowledged
					l.stage.log("%v", err)
					return
				}
				select {
				case <-reached: // more slowly: nobody knows for how long
					time.Sleep(pace)
				default:
				}
			}
		})
	}
	errs := make(chan error, 1)
	work.Go(func() { errs <- l.shop(ctx, to) })
	ended := make(chan struct{})
	go func() {
		work.Wait()
		close(ended)
	}()
	var err error
	select {
	case <-reached:
		if meanwhile != nil {
			err = meanwhile()
		}
	case <-ended:
		err = fmt.Errorf("%d of %d webhooks were acknowledged; see log", acknowledged.Load(), events)
	}
	stop()
	<-ended
	return errors.Join(err, <-errs)
}

// order brings the webhooks of an order that the site has not seen: its payment, sometimes the payment once more under another id, and often a
// refund. It returns how many were acknowledged.
func (l *load) order(c *line) (n int, err error) {
	id := l.next.Add(1)
	charge, order := fmt.Sprintf("ch_%024d", id*7919), fmt.Sprintf("K%08d", id)
	now := time.Now().Unix()
	said := fmt.Sprintf(`{"id":"%s","object":"charge","created":%[2]d,"livemode":false,"paid":true,"refunded":false,`+
		`"reversed":false,"app":"%[3]s","channel":"wx_lite","order_no":"%[4]s","client_ip":"127.0.0.1","amount":%[5]d,"amount_settle":%[5]d,"currency":"cny",`+
		`"subject":"Tea 茶","body":"Green tea","extra":{},"time_paid":%[2]d,"time_expire":%[6]d,"time_settle":null,"transaction_no":"4200001","amount_refunded":0,`+
		`"failure_code":null,"failure_msg":null,"metadata":{},"credential":{},"description":null}`, charge, now, l.notes.Scope.App, order, price, now+7200)
	payment := l.event("charge.succeeded", charge, charge, order, said)
	events := []*event{payment}
	if id%8 == 0 {
		events = append(events, l.event(payment.Type, charge, charge, order, said))
	}
	if id%2 == 0 {
		refund := fmt.Sprintf("re_%024d", id*7919)
		events = append(events, l.event("refund.succeeded", refund, charge, order, fmt.Sprintf(`{"id":"%s","object":"refund","order_no":"%[1]s","amount":%[2]d,"created":%[3]d,`+
			`"succeed":true,"status":"succeeded","time_succeed":%[3]d,"description":"returned","failure_code":null,"failure_msg":null,"metadata":{},`+
			`"charge":"%[4]s","charge_order_no":"%[5]s","transaction_no":"5000001"}`, refund, back, now, charge, order)))
	}
	for _, e := range events {
		status, answer, err := c.ask(e.ID, "/pay/webhooks", l.sign(e.Body), e.Body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("a webhook was answered %d: %s", status, answer)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// event makes a webhook, and notes it.
func (l *load) event(kind, object, charge, order, data string) *event {
	e := &event{ID: fmt.Sprintf("evt_%024d", l.next.Add(1)*104729), Type: kind, Object: object, Charge: charge, Order: order}
	e.Body = fmt.Appendf(nil, `{"id":"%s","object":"event","created":%d,"livemode":false,"type":"%s","data":{"object":%s},"pending_webhooks":0,"request":null}`,
		e.ID, time.Now().Unix(), kind, data)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes.Events[e.ID] = e
	return e
}

func (l *load) sign(body []byte) string {
	sum := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(nil, l.stage.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // the key is large enough
	}
	return pingpp.SignatureHeader + ": " + base64.StdEncoding.EncodeToString(sig)
}

// shop is a user who logs in and starts payments, until ctx ends or the process does.
func (l *load) shop(ctx context.Context, at *server) error {
	c := &line{load: l, addr: at.addr}
	defer c.close()
	status, body, err := c.ask("", fmt.Sprintf("/pay/openid?code=sandbox-user%d", l.next.Add(1)), "", nil)
	if err != nil {
		return nil
	}
	var login struct{ Session string }
	if err := json.Unmarshal(body, &login); err != nil || status != http.StatusOK {
		return fmt.Errorf("a login was answered %d: %s", status, body)
	}
	for ctx.Err() == nil {
		number := fmt.Sprintf("S%08d", l.next.Add(1))
		status, body, err := c.ask(number, "/pay/charges", "X-Pay-Session: "+login.Session, fmt.Appendf(nil, `{"order_no":"%s","channel":"wx_lite"}`, number))
		if err != nil {
			return nil
		}
		if status/100 != 2 {
			return fmt.Errorf("a charge was answered %d: %s", status, body)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// line is a connection. What is asked on it is noted, since the record has only the answers.
type line struct {
	load *load
	addr string
	conn net.Conn
	in   *bufio.Reader
	name string // as the record has it
}

func (c *line) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// dial connects, from a port that was not used before.
func (c *line) dial() (err error) {
	for {
		if c.conn, err = net.Dial("tcp", c.addr); err != nil {
			return err
		}
		c.in, c.name = bufio.NewReader(c.conn), fmt.Sprintf("TCP:[%s->%s]", c.addr, c.conn.LocalAddr())
		if c.load.note(c.name) == 0 {
			return nil
		}
		c.close()
	}
}

// note notes what is asked for on a connection, and says of how much that was said before.
func (l *load) note(connection string, what ...string) (before int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = len(l.notes.Asked[connection])
	l.notes.Asked[connection] = append(l.notes.Asked[connection], what...)
	return before
}

// ask sends a request and reads the answer. An error means that the process is gone.
func (c *line) ask(what, target, header string, body []byte) (status int, answer []byte, err error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return 0, nil, err
		}
	}
	c.load.note(c.name, what)
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	var wire bytes.Buffer
	fmt.Fprintf(&wire, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, target, c.addr, len(body))
	if header != "" {
		fmt.Fprintf(&wire, "%s\r\n", header)
	}
	wire.WriteString("\r\n")
	wire.Write(body)
	if err = c.conn.SetDeadline(time.Now().Add(startLimit)); err == nil {
		_, err = wire.WriteTo(c.conn)
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(c.in, nil)
	}
	if err == nil {
		answer, err = io.ReadAll(resp.Body)
		status = resp.StatusCode
	}
	if err != nil || resp.Close {
		c.close()
	}
	return status, answer, err
}
