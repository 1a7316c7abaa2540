package test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// webhook is an event as Ping++ sends it.
type webhook struct {
	ID        string
	Charge    string
	Body      []byte
	Signature string
}

// succeeded makes a signed charge.succeeded for a charge that the site has never seen.
func (s *stage) succeeded(orderNo string) webhook {
	s.t.Helper()
	return s.event(orderNo, func(map[string]any) {})
}

// event makes a signed charge.succeeded that differs from an ordinary one.
func (s *stage) event(orderNo string, change func(event map[string]any)) webhook {
	s.t.Helper()
	now := time.Now().Unix()
	live := s.scope().Mode == ledger.Live
	id, charge := "evt_"+rand.Text()[:24], "ch_"+rand.Text()[:24]
	e := map[string]any{
		"id": id, "created": now, "livemode": live, "type": "charge.succeeded", "object": "event", "request": nil, "pending_webhooks": 0,
		"data": map[string]any{"object": map[string]any{
			"id": charge, "object": "charge", "created": now, "livemode": live, "paid": true, "refunded": false, "reversed": false,
			"app": s.box.App(), "channel": "wx_lite", "order_no": orderNo, "client_ip": "127.0.0.1", "amount": 100, "amount_settle": 100,
			"currency": "cny", "subject": "Tea 茶", "body": "Green tea", "extra": map[string]any{}, "time_paid": now, "time_expire": now + 7200,
			"transaction_no": "4200001", "amount_refunded": 0, "metadata": map[string]any{}, "credential": map[string]any{},
		}},
	}
	change(e)
	body, err := json.Marshal(e)
	if err != nil {
		s.t.Fatal(err)
	}
	return webhook{ID: id, Charge: charge, Body: body, Signature: sign(s.t, pingppKey, body)}
}

func sign(t testing.TB, key *rsa.PrivateKey, body []byte) string {
	t.Helper()
	sum := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// send posts a webhook to a URL of the site.
func (s *stage) send(path string, w webhook) *answer {
	s.t.Helper()
	return s.call("POST", path, w.Body, "X-Pingplusplus-Signature", w.Signature)
}

// accept posts a webhook that has to be acknowledged.
func (s *stage) accept(w webhook) {
	s.t.Helper()
	if a := s.send("/pay/webhooks", w); a.StatusCode != http.StatusOK {
		s.t.Fatalf("the webhook was answered %s", a)
	}
}

// flood sends webhooks at their times, whatever has become of those before.
type flood struct {
	mu      sync.Mutex
	acked   map[string]bool
	refused map[string]string // why a webhook got no 200
	sent    int
	resent  int // sent again since the connection broke without an answer
	done    chan struct{}
	stop    chan struct{}
	halted  sync.Once
}

// flood sends webhooks at a rate until they are all sent or halt is called. With resend, each comes on a connection of its
// own, and what got no answer at all is sent again, up to seven times, as Ping++ does (it waits longer).
func (s *stage) flood(hooks iter.Seq[webhook], perSecond int, resend bool) *flood {
	f := &flood{acked: make(map[string]bool), refused: make(map[string]string), done: make(chan struct{}), stop: make(chan struct{})}
	client := s.newClient(&http.Transport{DisableKeepAlives: resend, MaxIdleConnsPerHost: 64})
	client.Timeout = patience
	s.t.Cleanup(f.halt)
	room := make(chan struct{}, 200) // under way at once: a machine that cannot keep up gets fewer, not a pile
	if resend {
		room = make(chan struct{}, 20)
	}
	go func() {
		defer close(f.done)
		var under sync.WaitGroup
		defer under.Wait()
		start := time.Now()
		i := 0
		for hook := range hooks {
			at := time.NewTimer(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
			select {
			case <-at.C:
			case <-f.stop:
				at.Stop()
				return
			}
			select {
			case room <- struct{}{}:
			case <-f.stop:
				return
			}
			f.sent++
			i++
			under.Go(func() {
				err := s.post(client, s.url("/pay/webhooks"), hook)
				for try := 0; resend && try < 7 && errors.As(err, new(*url.Error)); try++ {
					f.mu.Lock()
					f.resent++
					f.mu.Unlock()
					time.Sleep(min(100*time.Millisecond<<try, time.Second))
					err = s.post(client, s.url("/pay/webhooks"), hook)
				}
				f.note(hook, err)
				<-room
			})
		}
	}()
	return f
}

func (s *stage) post(client *http.Client, url string, hook webhook) error {
	req, err := http.NewRequest("POST", url, bytes.NewReader(hook.Body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Pingplusplus-Signature", hook.Signature)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	return nil
}

func (f *flood) note(hook webhook, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.refused[hook.ID] = err.Error()
		return
	}
	f.acked[hook.ID] = true
}

// halt ends the flood; what is under way is waited for.
func (f *flood) halt() {
	f.halted.Do(func() { close(f.stop) })
	<-f.done
}

func (f *flood) counts() (acked, refused int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.acked), len(f.refused)
}

// delivered checks that everything acknowledged reached the backend, and that an effect came under one webhook-id only. It
// returns how many deliveries were repeats.
func (s *stage) delivered(acked map[string]bool, limit time.Duration) (repeats int) {
	s.t.Helper()
	missing := func() (n int, one string) {
		got := make(map[string]bool)
		for _, h := range s.backend.events("") {
			got[h.ID] = true
		}
		for id := range acked {
			if !got[id] {
				n, one = n+1, id
			}
		}
		return n, one
	}
	if err := poll(limit, func() error {
		if n, one := missing(); n > 0 {
			return fmt.Errorf("%d of %d acknowledged events are missing at the backend, %s for one", n, len(acked), one)
		}
		return nil
	}); err != nil {
		s.t.Error(err)
	}
	effects, count := make(map[string]string), make(map[string]int)
	for _, h := range s.backend.events("") {
		var e struct {
			ID   string
			Type string
			Data struct{ Object struct{ ID string } }
		}
		if err := json.Unmarshal(h.Body, &e); err != nil || e.ID != h.ID {
			s.t.Errorf("webhook-id %s came with the body of %s (%v)", h.ID, e.ID, err)
		}
		effect := e.Type + " " + e.Data.Object.ID
		if other, ok := effects[effect]; ok && other != h.ID {
			s.t.Errorf("%s was delivered as %s and as %s", effect, other, h.ID)
		}
		effects[effect] = h.ID
		if count[h.ID]++; count[h.ID] > 1 {
			repeats++
		}
	}
	return repeats
}

// endless makes webhooks as they are asked for, each of an order of its own.
func (s *stage) endless(prefix string) iter.Seq[webhook] {
	return func(yield func(webhook) bool) {
		for i := 0; yield(s.succeeded(fmt.Sprintf("%s%05d", prefix, i))); i++ {
		}
	}
}

// hooks makes n webhooks, each of an order of its own.
func (s *stage) hooks(prefix string, n int) []webhook {
	s.t.Helper()
	all := make([]webhook, n)
	for i := range all {
		all[i] = s.succeeded(fmt.Sprintf("%s%05d", prefix, i))
	}
	return all
}
