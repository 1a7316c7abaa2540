package test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// second runs another process of the same site, on ports of its own, with the same ledger and storage, and returns its address.
func (s *stage) second(sites string) (url string) {
	s.t.Helper()
	ports := freePorts(s.t, 3)
	replace := strings.NewReplacer(fmt.Sprint(s.port), fmt.Sprint(ports[0]), fmt.Sprint(s.plain), fmt.Sprint(ports[1]), fmt.Sprint(s.admin), fmt.Sprint(ports[2]))
	s.write("Caddyfile.second", []byte(replace.Replace(s.fill(globalOptions+sites))))
	p, err := spawn(s.dir, s.env(), "run", "--adapter", "caddyfile", "--config", s.file("Caddyfile.second"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.finish(p) })
	url = fmt.Sprintf("https://localhost:%d", ports[0])
	eventually(s.t, shortly, func() error {
		if err := p.running(); err != nil {
			return &fatalError{err}
		}
		a, err := s.try(s.client, "GET", url+"/shop", nil)
		if err == nil && a.StatusCode != http.StatusOK {
			err = errorf("%s", a)
		}
		return err
	})
	return url
}

// Two hundred tabs of one user, at two processes: the order has one charge, and everybody gets it.
func TestParallelCreationsInTwoProcesses(t *testing.T) {
	s := newStage(t, false).start(plainSite)
	sites := []string{s.url(""), s.second(plainSite)}
	_, session := s.login()
	answers := make([]*answer, 200)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
				a, err := s.try(s.client, "POST", sites[i%2]+"/pay/charges", map[string]string{"order_no": "P10001", "channel": "wx_lite"}, "X-Pay-Session", session)
				if err != nil {
					t.Error(err)
					return
				}
				answers[i] = a
				if a.code() != "charge_in_progress" { // so many take their time; clients come again
					return
				}
			}
		})
	}
	all.Wait()
	created := 0
	for i, a := range answers {
		if a == nil || a.StatusCode/100 != 2 || !bytes.Equal(a.Body, answers[0].Body) {
			t.Fatalf("answer %d: %v\nanswer 0: %v", i, a, answers[0])
		}
		if a.StatusCode == http.StatusCreated {
			created++
		}
	}
	if n := s.box.State(0).Calls["create_charge"]; n != 1 || created != 1 {
		t.Errorf("%d charges at Ping++, %d answers 201", n, created)
	}
	if attempts, err := s.ledger().Attempts(t.Context(), s.scope(), "P10001"); err != nil || len(attempts) != 1 || attempts[0].State != ledger.Open {
		t.Errorf("the ledger has %+v, %v", attempts, err)
	}
}

// kill -9 after Ping++ has made the charge and before anybody hears of it: the next process finds it.
func TestKilledBeforeTheChargeIsRecorded(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	var victim atomic.Pointer[process]
	outside := s.outside.Config.Handler
	s.outside.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" {
			if caddy := victim.Swap(nil); caddy != nil {
				outside.ServeHTTP(discard{}, r)
				caddy.kill()
				return
			}
		}
		outside.ServeHTTP(w, r)
	})
	s.start(plainSite)
	_, session := s.login()
	victim.Store(s.caddy)
	if a, err := s.try(s.client, "POST", s.url("/pay/charges"), map[string]string{"order_no": "K10001", "channel": "wx_lite"}, "X-Pay-Session", session); err == nil {
		t.Fatalf("a process that was killed answered %s", a)
	}
	s.restart()
	var got *answer
	eventually(t, shortly, func() error { // the dead process's reservation has to run out
		if got = s.charge(session, "K10001"); got.StatusCode/100 != 2 {
			return errorf("%s", got)
		}
		return nil
	})
	var c struct {
		ID      string
		OrderNo string `json:"order_no"`
	}
	got.into(t, &c)
	if c.OrderNo != "K10001" || s.box.State(0).Calls["create_charge"] != 1 {
		t.Errorf("%d charges at Ping++; the payer got %s", s.box.State(0).Calls["create_charge"], got)
	}
	if err := s.box.Pay(c.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, shortly, func() error {
		if a := s.charge(session, "K10001"); a.code() != "order_already_paid" {
			return errorf("%s", a)
		}
		return nil
	})
}

// discard is a client that never gets its answer.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
