package test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// QUIC lets a client that comes again send its request with its first words, before the server knows that they are not a copy: whoever has
// recorded them can send them once more, from any address. Nothing that costs something comes of a request before its client has proven to be there.
// Caddy allows such early data; a server that pay is part of does not, from its start on.
func TestNoEarlyData(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	if s.newEarly(t).allowed {
		t.Error("the server's ticket allows early data")
	}
}

// A listener that was open before pay came keeps its ways: there each such request is refused that could do something, and its client sends
// it again once the handshake is over (RFC 8470).
func TestEarlyRequests(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.write("Caddyfile", []byte(s.fill(globalOptions+"https://localhost:<port> {\n\trespond hello\n}\n")))
	s.restart()
	s.write("Caddyfile", []byte(s.fill(globalOptions+plainSite)))
	if _, stderr, code := command(t, s.dir, s.env(), "reload", "--config", s.file("Caddyfile"), "--address", fmt.Sprintf("localhost:%d", s.admin)); code != 0 {
		t.Fatalf("caddy reload: exit code %d\n%s", code, stderr)
	}
	openid, session := s.login()
	code := s.box.NewCode("")
	s.keepSecret(code, "a login code")
	calls := s.box.State(0).Calls
	body, err := json.Marshal(order("EARLY1", "wx_lite"))
	if err != nil {
		t.Fatal(err)
	}
	as := []string{"X-Pay-Session", session, "Content-Type", "application/json"}
	for _, l := range []letter{
		{method: "POST", path: "/pay/charges", fields: as, body: string(body)},
		{path: "/pay/openid?code=" + code},
		{method: "POST", fields: as, body: string(body)},
		{method: "DELETE", fields: as},
		{upgrade: true, fields: as},
	} {
		got := s.early(t, l)
		if got.status != http.StatusTooEarly || !strings.Contains(got.body, `"too_early"`) {
			t.Errorf("%s %s before the handshake was answered %s", l.verb(), l.target(), got)
		}
	}
	for name, n := range s.box.State(0).Calls {
		if n != calls[name] {
			t.Errorf("%s was called %d times", name, n-calls[name])
		}
	}
	got := s.early(t, letter{fields: as}) // whoever reads may: the answer is for the client's eyes alone
	if got.status != http.StatusOK || !strings.Contains(got.body, openid) {
		t.Errorf("GET /shop before the handshake was answered %s", got)
	}
	if a := s.charge(session, "EARLY1"); a.StatusCode != http.StatusCreated {
		t.Errorf("after the handshake: %s", a)
	}
}

// early sends a request as early data, until the client was quick enough.
func (s *stage) early(t *testing.T, l letter) (got reply) {
	t.Helper()
	eventually(t, patience, func() error {
		e := s.newEarly(t)
		if !e.allowed {
			return &fatalError{errors.New("the server's ticket allows no early data")}
		}
		got = e.send(t, l)
		return got.broken
	})
	return got
}

// early is a client that has been here before, and whose words the server hears only up to the point where it has proven nothing.
type early struct {
	site string
	tls  *tls.Config
	kept chan *tls.ClientSessionState // the first ticket
	tls.ClientSessionCache
	allowed bool // by the ticket
}

// Put implements [tls.ClientSessionCache].
func (e *early) Put(key string, session *tls.ClientSessionState) {
	e.ClientSessionCache.Put(key, session)
	select {
	case e.kept <- session:
	default:
	}
}

// newEarly visits the site once, for the ticket.
func (s *stage) newEarly(t *testing.T) *early {
	t.Helper()
	e := &early{site: fmt.Sprintf("localhost:%d", s.port), tls: http3.ConfigureTLSConfig(s.trusted(t)), kept: make(chan *tls.ClientSessionState, 1), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	e.tls.ClientSessionCache, e.tls.ServerName = e, "localhost"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, e.site, e.tls, &quic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case session := <-e.kept:
		_, state, err := session.ResumptionState()
		if err != nil {
			t.Fatal(err)
		}
		e.allowed = state.EarlyData
	case <-ctx.Done():
		t.Fatal("the server gives no ticket")
	}
	if err := conn.CloseWithError(0, ""); err != nil {
		t.Fatal(err)
	}
	return e
}

// send sends a request with the client's first words. What would prove that the client is there never comes to the server.
func (e *early) send(t *testing.T, l letter) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	said := make(chan struct{})
	say := sync.OnceFunc(func() { close(said) })
	defer say()
	conn, err := quic.DialAddrEarly(ctx, firstWords(t, e.site, said), e.tls, &quic.Config{Versions: []quic.Version{quic.Version1}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	select {
	case <-conn.HandshakeComplete():
		return reply{broken: errors.New("the handshake was quicker than the request")}
	default:
	}
	if err := greetH3(conn); err != nil {
		t.Fatal(err)
	}
	stream, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write(l.h3(e.site)); err != nil {
		return reply{broken: err}
	}
	if err := stream.Close(); err != nil {
		return reply{broken: err}
	}
	say()
	return readH3(ctx, stream)
}

// firstWords passes on datagrams between a client and a server, but of the client's only the packets that somebody else could have recorded
// and sent again: its hello, and its early data. The server is heard once all of that is said.
func firstWords(t *testing.T, server string, said <-chan struct{}) (address string) {
	t.Helper()
	listen := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	front, back := listen(), listen()
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		front.Close()
		back.Close()
		wg.Wait()
	})
	client := make(chan *net.UDPAddr, 1)
	wg.Go(func() {
		buf := make([]byte, 1<<16)
		for known := false; ; known = true {
			n, from, err := front.ReadFromUDP(buf)
			if err != nil {
				if !known {
					close(client)
				}
				return
			}
			if !known {
				client <- from
			}
			if words := replayable(buf[:n]); len(words) > 0 {
				_, _ = back.WriteToUDP(words, to)
			}
		}
	})
	wg.Go(func() {
		from := <-client
		<-said
		buf := make([]byte, 1<<16)
		for from != nil {
			n, err := back.Read(buf)
			if err != nil {
				return
			}
			_, _ = front.WriteToUDP(buf[:n], from)
		}
	})
	return front.LocalAddr().String()
}

// replayable leaves of a datagram the Initial and 0-RTT packets of QUIC version 1.
func replayable(datagram []byte) (kept []byte) {
	for len(datagram) > 6 && datagram[0]&0x80 != 0 {
		kind := datagram[0] >> 4 & 3
		rest := datagram[5:]
		rest = rest[1+int(rest[0]):] // the destination's connection id
		rest = rest[1+int(rest[0]):] // the source's
		if kind == 0 {
			token, n, err := quicvarint.Parse(rest)
			if err != nil {
				return kept
			}
			rest = rest[n+int(token):]
		}
		length, n, err := quicvarint.Parse(rest)
		if err != nil {
			return kept
		}
		rest = rest[n+int(length):]
		if kind <= 1 {
			kept = append(kept, datagram[:len(datagram)-len(rest)]...)
		}
		datagram = rest
	}
	return kept
}
