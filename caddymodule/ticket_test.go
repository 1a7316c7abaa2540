package caddymodule

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/wechat"
)

type ticketStage struct {
	t   *testing.T
	box *sandbox.Sandbox
	url string
	dir string
	at  atomic.Int64 // Unix seconds
}

func newTicketStage(t *testing.T) *ticketStage {
	s := &ticketStage{t: t, dir: t.TempDir()}
	s.at.Store(1_790_000_000)
	var err error
	if s.box, err = sandbox.New(sandbox.Config{SigningKey: pingppKey(), Now: s.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.box.Close)
	srv := httptest.NewServer(s.box)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *ticketStage) now() time.Time { return time.Unix(s.at.Load(), 0) }

// node is one of several Caddys on one storage.
func (s *ticketStage) node() *storedTicket {
	s.t.Helper()
	account, err := wechat.NewOfficialAccount(wechat.Config{AppID: s.box.WxPub().AppID, Secret: redact.New(s.box.WxPub().Secret), Endpoint: s.url})
	if err != nil {
		s.t.Fatal(err)
	}
	return &storedTicket{storage: &certmagic.FileStorage{Path: s.dir}, account: account, now: s.now, logger: zap.NewNop()}
}

func (s *ticketStage) wantCalls(tokens, tickets int) {
	s.t.Helper()
	calls := s.box.State(0).Calls
	if calls["stable_token"] != tokens || calls["getticket"] != tickets {
		s.t.Errorf("WeChat was asked for %d tokens and %d tickets, want %d and %d", calls["stable_token"], calls["getticket"], tokens, tickets)
	}
}

func (s *ticketStage) get(n *storedTicket) string {
	s.t.Helper()
	ticket, err := n.ticket(s.t.Context())
	if err != nil || ticket == "" {
		s.t.Fatal(ticket, err)
	}
	return ticket
}

// Many requests at several nodes cost one call, and so does the next ticket, which is asked for before the old one ends.
func TestTicketIsShared(t *testing.T) {
	s := newTicketStage(t)
	a, b := s.node(), s.node()
	got := make([]string, 40)
	var wg sync.WaitGroup
	for i := range got {
		n := []*storedTicket{a, b}[i%2]
		wg.Go(func() {
			var err error
			if got[i], err = n.ticket(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, ticket := range got {
		if ticket == "" || ticket != got[0] {
			t.Fatalf("tickets %q", got)
		}
	}
	s.wantCalls(1, 1)
	file := filepath.Join(s.dir, "pay", "wechat", s.box.WxPub().AppID+".json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Error("others can read the ticket:", info.Mode(), err)
	}
	if s.get(s.node()) != got[0] {
		t.Error("a later process has another ticket")
	}
	s.wantCalls(1, 1)

	s.at.Add(int64((2*time.Hour - 4*time.Minute).Seconds()))
	if renewed := s.get(a); renewed == got[0] || s.get(b) != renewed {
		t.Error("the ticket is not renewed before its end")
	}
	s.wantCalls(1, 2) // the access token still serves

	s.at.Add(int64((2*time.Hour - 4*time.Minute).Seconds()))
	a.mu.Lock() // as while WeChat takes its time over the next one
	old := s.get(a)
	a.mu.Unlock()
	if renewed := s.get(a); old == got[0] || renewed == old {
		t.Errorf("while another ticket is asked for there is %q, then %q", old, renewed)
	}
}

// A failure is told, remembered for a moment, and does not matter while the old ticket serves.
func TestTicketFailures(t *testing.T) {
	s := newTicketStage(t)
	n := s.node()
	if err := s.box.SetFault("stable_token", "40164", 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if ticket, err := n.ticket(t.Context()); ticket != "" || err == nil || !strings.Contains(err.Error(), "40164") {
			t.Fatal(ticket, err)
		}
	}
	s.wantCalls(1, 0)
	s.at.Add(11)
	first := s.get(n)
	s.wantCalls(2, 1)

	// The access token is taken back: another one is asked for.
	s.at.Add(int64((2*time.Hour - 9*time.Minute).Seconds()))
	if err := s.box.SetFault("getticket", "40001", 1); err != nil {
		t.Fatal(err)
	}
	s.get(n)
	s.wantCalls(3, 3)

	// WeChat is down when the ticket should be renewed.
	if err := s.box.SetFault("stable_token", "502", 5); err != nil {
		t.Fatal(err)
	}
	if err := s.box.SetFault("getticket", "502", 5); err != nil {
		t.Fatal(err)
	}
	s.at.Add(60)
	if s.get(n) != first {
		t.Error("the old ticket does not serve to its end")
	}
	s.at.Add(int64((10 * time.Minute).Seconds()))
	if ticket, err := n.ticket(t.Context()); err == nil {
		t.Error("a ticket that has ended is handed out:", ticket)
	}

	// What lies in the storage and is no ticket is written anew.
	file := filepath.Join(s.dir, "pay", "wechat", s.box.WxPub().AppID+".json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.box.ClearFaults()
	s.get(s.node())
}
