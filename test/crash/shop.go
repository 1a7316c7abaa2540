package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// shop is a mini program's user: it logs in, starts payments by the site's own routes, and pays. The site knows these charges;
// where their webhook never comes, it has to ask.
type shop struct {
	ping    *pingpp
	targets func() []string // base URLs
	client  *http.Client
	silence float64

	mu     sync.Mutex
	rnd    *rand.Rand
	silent map[string]bool // charges whose webhook never comes
	paid   int
}

func newShop(ping *pingpp, rnd *rand.Rand, silence float64) *shop {
	return &shop{ping: ping, rnd: rnd, silence: silence, silent: make(map[string]bool), client: &http.Client{Timeout: 10 * time.Second}}
}

// run makes a payment each interval until ctx ends. What fails is left at that: a user would try again.
func (s *shop) run(ctx context.Context, interval time.Duration) {
	defer s.client.CloseIdleConnections()
	session := ""
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		targets := s.targets()
		if len(targets) == 0 {
			continue
		}
		site := targets[n%len(targets)]
		if session == "" {
			var login struct{ Session string }
			if s.call(http.MethodGet, fmt.Sprintf("%s/pay/openid?code=sandbox-user%d", site, n), "", nil, &login) != nil {
				continue
			}
			session = login.Session
		}
		var charge struct{ ID string }
		order := map[string]string{"order_no": fmt.Sprintf("S%08d", n), "channel": "wx_lite"}
		if s.call(http.MethodPost, site+"/pay/charges", session, order, &charge) != nil {
			continue
		}
		s.pay(charge.ID)
	}
}

func (s *shop) pay(charge string) {
	s.mu.Lock()
	silent := s.rnd.Float64() < s.silence
	if silent {
		s.silent[charge] = true
	}
	s.mu.Unlock()
	if err := s.ping.box.Pay(charge); err != nil { // it was created a moment ago
		panic(err)
	}
	s.mu.Lock()
	s.paid++
	s.mu.Unlock()
}

func (s *shop) isSilent(charge string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent[charge]
}

func (s *shop) call(method, url, session string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if session != "" {
		req.Header.Set("X-Pay-Session", session)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return json.Unmarshal(answer, into)
}
