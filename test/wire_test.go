package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// letter is a request as it goes over the wire. What a client library would refuse to send is sent all the same.
type letter struct {
	method   string // default GET
	path     string // default /shop
	fields   []string
	body     string
	trailers []string // pairs, like fields
	upgrade  bool     // to a websocket: Upgrade over HTTP/1.1, an extended CONNECT later
	endless  bool     // after the body a space now and then, and no end

	text   string   // of HTTP/1.1, in place of all this; <host> is the site
	pseudo []string // of HTTP/2 and HTTP/3, in place of those that follow from method and path
}

// reply is what came back.
type reply struct {
	status int // 0: the stream or the connection was ended instead
	body   string
	broken error
}

func (r reply) String() string { return fmt.Sprintf("%d %.200s %v", r.status, r.body, r.broken) }

// carriers are the protocols that a site speaks, each with a client that sends what it is told.
var carriers = []struct {
	name string
	send func(address string, roots *tls.Config, l letter) reply
}{
	{"h1", sendH1},
	{"h2", sendH2},
	{"h3", sendH3},
}

// patience is how long an answer may take on a busy machine.
const patience = time.Minute

// trusted is the TLS configuration of a client that knows the site's authority.
func (s *stage) trusted(t testing.TB) *tls.Config {
	t.Helper()
	tr := s.client.Transport.(*trusting)
	if err := tr.trust(); err != nil {
		t.Fatal(err)
	}
	return tr.tls.Clone()
}

// dialTLS speaks one protocol over TCP.
func dialTLS(address string, config *tls.Config, protocol string) (net.Conn, error) {
	config = config.Clone()
	config.NextProtos = []string{protocol}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

func (l letter) h1(host string) string {
	if l.text != "" {
		return strings.ReplaceAll(strings.ReplaceAll(l.text, "<host>", host), "\n", "\r\n")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", l.verb(), l.target(), host)
	fields := l.fields
	switch {
	case l.upgrade:
		fields = append(fields[:len(fields):len(fields)], "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	case len(l.trailers) > 0:
		fields = append(fields[:len(fields):len(fields)], "Transfer-Encoding", "chunked")
	case l.endless:
		fields = append(fields[:len(fields):len(fields)], "Content-Length", "1000")
	case l.body != "":
		fields = append(fields[:len(fields):len(fields)], "Content-Length", fmt.Sprint(len(l.body)))
	}
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", fields[i], fields[i+1])
	}
	b.WriteString("\r\n")
	if len(l.trailers) == 0 {
		b.WriteString(l.body)
		return b.String()
	}
	fmt.Fprintf(&b, "%x\r\n%s\r\n0\r\n", len(l.body), l.body)
	for i := 0; i < len(l.trailers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", l.trailers[i], l.trailers[i+1])
	}
	b.WriteString("\r\n")
	return b.String()
}

func (l letter) verb() string {
	if l.method == "" {
		return "GET"
	}
	return l.method
}

func (l letter) target() string {
	if l.path == "" {
		return "/shop"
	}
	return l.path
}

// heads are the fields of HTTP/2 and HTTP/3.
func (l letter) heads(host string) []string {
	pseudo := l.pseudo
	switch {
	case pseudo != nil:
	case l.upgrade:
		pseudo = []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", host, ":path", l.target()}
	default:
		pseudo = []string{":method", l.verb(), ":scheme", "https", ":authority", host, ":path", l.target()}
	}
	all := append([]string(nil), pseudo...)
	for i, field := range l.fields {
		if i%2 == 0 && l.pseudo == nil {
			field = strings.ToLower(field) // else it is the very attack
		}
		all = append(all, field)
	}
	for i, field := range all {
		all[i] = strings.ReplaceAll(field, "<host>", host)
	}
	return all
}

// dripping does something now and then, until it fails or the returned function is called.
func dripping(drip func() error) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		every := time.NewTicker(200 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case <-every.C:
				if drip() != nil {
					return
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

// errSilent is no way to refuse a request.
var errSilent = fmt.Errorf("no answer within %s", patience)

// broken is how a conversation ends that the other side breaks off.
func broken(err error) reply {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		err = errors.Join(errSilent, err)
	}
	return reply{broken: err}
}

func sendH1(address string, config *tls.Config, l letter) reply {
	conn, err := dialTLS(address, config, "http/1.1")
	if err != nil {
		return broken(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, l.h1(address)); err != nil {
		return broken(err)
	}
	if l.endless {
		defer dripping(func() error { _, err := io.WriteString(conn, " "); return err })()
	}
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return broken(err)
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return broken(err)
		}
		return reply{status: resp.StatusCode, body: string(body)}
	}
}

func sendH2(address string, config *tls.Config, l letter) reply {
	conn, err := dialTLS(address, config, "h2")
	if err != nil {
		return broken(err)
	}
	defer conn.Close()
	block := func(pairs []string) []byte {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		for i := 0; i < len(pairs); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return b.Bytes()
	}
	fr := http2.NewFramer(conn, conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(conn, http2.ClientPreface)
	done := l.body == "" && len(l.trailers) == 0 && !l.upgrade
	err = errors.Join(err, fr.WriteSettings(), fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(l.heads(address)), EndHeaders: true, EndStream: done}))
	if l.body != "" {
		err = errors.Join(err, fr.WriteData(1, len(l.trailers) == 0 && !l.endless, []byte(l.body)))
	}
	if len(l.trailers) > 0 {
		err = errors.Join(err, fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(l.trailers), EndHeaders: true, EndStream: true}))
	}
	if err != nil {
		return broken(err)
	}
	if l.endless {
		defer dripping(func() error { return fr.WriteData(1, false, []byte(" ")) })()
	}
	var got reply
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			return broken(err)
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() && !l.endless { // then another is writing
				_ = fr.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			_, _ = fmt.Sscan(f.PseudoValue("status"), &got.status)
			ended = f.StreamEnded()
		case *http2.DataFrame:
			got.body += string(f.Data())
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			if got.status > 0 { // answered, and the rest of the request is not wanted
				return got
			}
			return reply{broken: fmt.Errorf("RST_STREAM %s", f.ErrCode)}
		case *http2.GoAwayFrame:
			return reply{broken: fmt.Errorf("GOAWAY %s", f.ErrCode)}
		}
		if ended {
			return got
		}
	}
}
