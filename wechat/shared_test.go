package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
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
	if s.box, err = sandbox.New(sandbox.Config{SigningKey: sandboxtest.Key(), Now: s.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.box.Close)
	srv := httptest.NewServer(s.box)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *ticketStage) now() time.Time { return time.Unix(s.at.Load(), 0) }

func (s *ticketStage) warn(what string, err error) {
	if err == nil || !strings.HasPrefix(what, "WeChat's ") {
		s.t.Error(what, err)
	}
	checkSilent(s.t, err)
}

// node is one of several Caddys on one storage.
func (s *ticketStage) node() *Shared {
	s.t.Helper()
	account, err := NewOfficialAccount(Config{AppID: s.box.WxPub().AppID, Secret: redact.New(s.box.WxPub().Secret), Endpoint: s.url})
	if err != nil {
		s.t.Fatal(err)
	}
	storage := &certmagic.FileStorage{Path: s.dir}
	return ShareTicket(account, ShareToken(account, storage, s.now, s.warn), storage, s.now, s.warn)
}

func (s *ticketStage) wantCalls(tokens, tickets int) {
	s.t.Helper()
	calls := s.box.State(0).Calls
	if calls["stable_token"] != tokens || calls["getticket"] != tickets {
		s.t.Errorf("WeChat was asked for %d tokens and %d tickets, want %d and %d", calls["stable_token"], calls["getticket"], tokens, tickets)
	}
}

func (s *ticketStage) get(n *Shared) string {
	s.t.Helper()
	ticket, err := n.Value(s.t.Context())
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
		n := []*Shared{a, b}[i%2]
		wg.Go(func() {
			var err error
			if got[i], err = n.Value(t.Context()); err != nil {
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
	if !a.turn.TryAcquire(1) { // as while WeChat takes its time over the next one
		t.Fatal("somebody asks WeChat")
	}
	old := s.get(a)
	a.turn.Release(1)
	if renewed := s.get(a); old == got[0] || renewed == old {
		t.Errorf("while another ticket is asked for there is %q, then %q", old, renewed)
	}
}

// Whoever waits for what another asks WeChat for need not wait longer than they want to.
func TestTicketWaits(t *testing.T) {
	s := newTicketStage(t)
	n := s.node()
	if !n.turn.TryAcquire(1) {
		t.Fatal("somebody asks WeChat")
	}
	defer n.turn.Release(1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if ticket, err := n.Value(gone); ticket != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("one that went away has %q, %v", ticket, err)
	}
	if ticket, err := n.instead(gone, "taken back"); ticket != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("one that went away has %q instead, %v", ticket, err)
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
		if ticket, err := n.Value(t.Context()); ticket != "" || err == nil || !strings.Contains(err.Error(), "40164") {
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
	if ticket, err := n.Value(t.Context()); err == nil {
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

// liteNode is one of several servers of the mini program.
func (s *ticketStage) liteNode() *Shared {
	s.t.Helper()
	m, err := NewMiniProgram(Config{AppID: s.box.WxLite().AppID, Secret: redact.New(s.box.WxLite().Secret), Endpoint: s.url})
	if err != nil {
		s.t.Fatal(err)
	}
	return ShareToken(m, &certmagic.FileStorage{Path: s.dir}, s.now, s.warn)
}

// A token that somebody else's code has made invalid is asked for once, whoever and how many find that out.
func TestTokenRefused(t *testing.T) {
	s := newTicketStage(t)
	a, b := s.liteNode(), s.liteNode()
	first := s.get(a)
	if s.get(b) != first {
		t.Fatal("two servers have two tokens")
	}
	s.wantCalls(1, 0)

	// The shop forces a new one: ours is dead.
	shop := liteToken(t, s, true)
	alive := func(token string) error {
		if token != shop {
			return &Error{Kind: Rejected, API: "x", Code: 40001}
		}
		return nil
	}
	s.wantCalls(2, 0)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := []*Shared{a, b}[i%2].Use(t.Context(), alive); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.wantCalls(3, 0)

	// WeChat refuses whatever it gives: that is told, and is no reason to ask it over and over.
	refuses := func(string) error { return &Error{Kind: Rejected, API: "x", Code: 42001} }
	for range 5 {
		var werr *Error
		if err := a.Use(t.Context(), refuses); !errors.As(err, &werr) || werr.Code != 42001 {
			t.Fatal(err)
		}
	}
	s.wantCalls(4, 0)
	s.at.Add(11)
	if err := s.box.SetFault("stable_token", "502", 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var werr *Error
		if err := a.Use(t.Context(), refuses); !errors.As(err, &werr) || werr.Kind != Unavailable {
			t.Fatal(err)
		}
	}
	s.wantCalls(5, 0)
	s.at.Add(11)
	if err := a.Use(t.Context(), alive); err != nil {
		t.Error(err)
	}

	// In the last minutes there is a new one, and it is the shop's too.
	s.at.Add(int64((2*time.Hour - 2*time.Minute).Seconds()))
	if token := s.get(a); token == shop || token != liteToken(t, s, false) || s.get(b) != token {
		t.Error("the renewed token is nobody else's")
	}
}

// A storage that fails is told; one that cannot keep the token does no harm beyond more calls.
func TestTokenWithoutStorage(t *testing.T) {
	s := newTicketStage(t)
	if err := os.WriteFile(filepath.Join(s.dir, "pay"), nil, 0o600); err != nil { // where a folder should be
		t.Fatal(err)
	}
	n := s.liteNode()
	token, err := n.Value(t.Context())
	if err == nil {
		t.Fatal("a broken storage is not told of:", token != "")
	}
	if !strings.Contains(err.Error(), "WeChat's access token") {
		t.Error(err)
	}
}

// liteToken is what another program of the merchant's gets from WeChat.
func liteToken(t *testing.T, s *ticketStage, force bool) string {
	t.Helper()
	body := fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":%t}`, s.box.WxLite().AppID, s.box.WxLite().Secret, force)
	resp, err := http.Post(s.url+"/cgi-bin/stable_token", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil || told.Token == "" {
		t.Fatal(told, err)
	}
	return told.Token
}
