package caddymodule

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/caddypay/caddypay/session"
)

// sighting is what a backend that takes every byte reports of a request.
type sighting struct {
	URI     string
	Header  http.Header
	Trailer http.Header
	Body    string
}

// reporter is a backend that says what it sees.
func reporter(t testing.TB) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(sighting{r.RequestURI, r.Header, r.Trailer, string(body)})
	})
}

// raw sends lines over HTTP/1.1 as they are and returns the answer's status and body. A line is ended where the text breaks.
func raw(t testing.TB, addr, text string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%v after\n%s", err, text)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	all, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all)
}

// report reads what the backend has seen.
func report(t testing.TB, status int, body string) (s sighting) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	return s
}

// raw2 is raw over HTTP/2 without TLS: fields, pairs of name and value, then a body, then trailers if there are any.
func raw2(t testing.TB, addr string, fields []string, body string, trailers ...string) (status int, answer string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	block := func(pairs []string) []byte {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		for i := 0; i < len(pairs); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return b.Bytes()
	}
	_, err = io.WriteString(conn, http2.ClientPreface)
	fr := http2.NewFramer(conn, conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for _, step := range []func() error{
		func() error { return err },
		func() error { return fr.WriteSettings() },
		func() error {
			return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(fields), EndHeaders: true, EndStream: body == "" && len(trailers) == 0})
		},
		func() error {
			if body == "" && len(trailers) == 0 {
				return nil
			}
			return fr.WriteData(1, len(trailers) == 0, []byte(body))
		},
		func() error {
			if len(trailers) == 0 {
				return nil
			}
			return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(trailers), EndHeaders: true, EndStream: true})
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			_, _ = fmt.Sscan(f.PseudoValue("status"), &status)
			if f.StreamEnded() {
				return status, answer
			}
		case *http2.DataFrame:
			answer += string(f.Data())
			if f.StreamEnded() {
				return status, answer
			}
		case *http2.RSTStreamFrame:
			return 0, f.ErrCode.String()
		case *http2.GoAwayFrame:
			return 0, f.ErrCode.String()
		}
	}
}

// shopWith runs a site with a private path before a backend that reports; more is the rest of the site.
func shopWith(t testing.TB, more string) (addr string) {
	dir := t.TempDir()
	addr = freeAddr(t)
	echo := reporter(t)
	run(t, globals(dir, ledgerIn(dir), "servers {\n\t\tprotocols h1 h2c\n\t}")+"http://"+addr+" {\n"+
		payBlock(t, dir, "", "allow_http", wxPub, "upstream "+echo, "orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events")+
		more+"\treverse_proxy "+echo+"\n}\n")
	return addr
}

// A target that is not a path has no path that could be checked: it is refused before anything else looks at it.
func TestOpaqueTargets(t *testing.T) {
	addr := shopWith(t, "\twechat_auth /members/*\n")
	for _, target := range []string{
		"x:http://b/internal/pay/events", "http:/internal/pay/events", "http:internal/pay/events", "https:internal/pay/events", "x:/internal/pay/events",
		"ftp://" + addr + "/members/1", "x:members/1", "x:/pay/webhooks", "x://" + addr + "/shop", "http://" + addr, "http://" + addr + "?a=b", "*",
	} {
		want := http.StatusBadRequest
		if target == "http:/internal/pay/events" { // an absolute form after all, whose path is private
			want = http.StatusNotFound
		}
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			if method+target == "OPTIONS*" { // about the server, which answers it
				continue
			}
			status, body := raw(t, addr, method+" "+target+" HTTP/1.1\nHost: "+addr+"\nContent-Length: 0\nConnection: close\n\n")
			if status != want || want == http.StatusBadRequest && !strings.Contains(body, `"target_invalid"`) {
				t.Errorf("%s %s: %d %s", method, target, status, body)
			}
		}
		status, body := raw2(t, addr, []string{":method", "GET", ":scheme", "http", ":authority", addr, ":path", target}, "")
		if status != want && body != http2.ErrCodeProtocol.String() { // Go's own server refuses most of them
			t.Errorf("HTTP/2 %s: %d %s", target, status, body)
		}
	}
	if status, body := raw(t, addr, "CONNECT "+addr+" HTTP/1.1\nHost: "+addr+"\nConnection: close\n\n"); status != http.StatusBadRequest {
		t.Errorf("CONNECT: %d %s", status, body)
	}
	if status, body := raw2(t, addr, []string{":method", "CONNECT", ":authority", addr}, ""); status != http.StatusBadRequest {
		t.Errorf("HTTP/2 CONNECT: %d %s", status, body)
	}
	for target, want := range map[string]string{
		"/shop": "/shop", "http://" + addr + "/shop?a=b": "/shop?a=b", "HTTPS://" + addr + "/shop": "/shop", "//shop": "//shop", "/x:y": "/x:y",
	} {
		status, body := raw(t, addr, "GET "+target+" HTTP/1.1\nHost: "+addr+"\nConnection: close\n\n")
		if got := report(t, status, body); got.URI != want {
			t.Errorf("%s became %s", target, got.URI)
		}
	}
}

// A request's trailers reach no backend: some read them as headers.
func TestTrailersAreRemoved(t *testing.T) {
	addr := shopWith(t, "")
	const forged = "X-WX-OPENID: evil\nX-Pay-Token: evil\nX-Fine: evil\n"
	post := func(declared string) string {
		return "POST /shop HTTP/1.1\nHost: " + addr + "\nTransfer-Encoding: chunked\nConnection: close\n" + declared + "\n4\nbody\n0\n" + forged + "\n"
	}
	check := func(name string, status int, body string) {
		t.Helper()
		got := report(t, status, body)
		for key := range got.Trailer {
			t.Errorf("%s: the backend sees the trailer %s", name, key)
		}
		for _, key := range []string{"X-Wx-Openid", "X-Pay-Token", "X-Fine", "Trailer"} {
			if got.Header[key] != nil {
				t.Errorf("%s: the backend sees the header %s", name, key)
			}
		}
		if got.Body != "body" {
			t.Errorf("%s: the backend reads %q", name, got.Body)
		}
	}
	for name, declared := range map[string]string{
		"declared": "Trailer: X-WX-OPENID, X-Pay-Token, X-Fine\n", "undeclared": "", "another declared": "Trailer: X-Fine\nTE: trailers\n",
	} {
		status, body := raw(t, addr, post(declared))
		check(name, status, body)
		fields := []string{":method", "POST", ":scheme", "http", ":authority", addr, ":path", "/shop"}
		if declared != "" {
			_, names, _ := strings.Cut(strings.SplitN(declared, "\n", 2)[0], ": ")
			fields = append(fields, "trailer", names)
		}
		status, body = raw2(t, addr, fields, "body", "x-wx-openid", "evil", "x-pay-token", "evil", "x-fine", "evil")
		check(name+" over HTTP/2", status, body)
	}
}

// PHP's own server takes a trailer for a header.
func TestTrailersBeforePHP(t *testing.T) {
	s := &phpShop{dir: t.TempDir(), addr: freeAddr(t)}
	write(t, s.dir, "seen.php", "<?php echo json_encode($_SERVER), file_get_contents('php://input');")
	t.Cleanup(s.stop)
	s.start(t, testToken)
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir)+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"\treverse_proxy "+s.addr+"\n}\n")
	status, body := raw(t, addr, "POST /seen.php HTTP/1.1\nHost: "+addr+"\nTransfer-Encoding: chunked\nTrailer: X-WX-OPENID, X-Pay-Token\nX-Fine: yes\nConnection: close\n\n"+
		"4\nbody\n0\nX-WX-OPENID: evil\nX-Pay-Token: evil\n\n")
	if status != http.StatusOK || !strings.Contains(body, `"HTTP_X_FINE":"yes"`) || !strings.HasSuffix(body, "body") {
		t.Errorf("%d %s", status, body)
	}
	if strings.Contains(body, "evil") {
		t.Errorf("PHP takes a trailer for a header: %s", body)
	}
}

// A client cannot have the headers deleted by which the backend knows who is there; its own go, as it says.
func TestConnectionNamesNoneOfOurHeaders(t *testing.T) {
	addr := shopWith(t, "\trequest_header X-Seen-By-Site {http.pay.openid}\n")
	login := token(t, "/pay", session.Identity{OpenID: "o-first", UnionID: "u-first"})
	for _, connection := range []string{
		"close, X-WX-OPENID", "close\nConnection: x-wx-openid, X-Wx-Unionid,X-WX-APPID", "close,,X-WX-OPENID, X-Seen-By-Site", " X-Wx-Source , x-own,close", "close, X-Pay-Session",
		"close, Connection", "close, keep-alive, TE",
	} {
		status, body := raw(t, addr, "GET /shop HTTP/1.1\nHost: "+addr+"\nX-Pay-Session: "+login+"\nX-Own: 1\nConnection: "+connection+"\n\n")
		got := report(t, status, body)
		for key, want := range map[string]string{
			"X-Wx-Openid": "o-first", "X-Wx-Unionid": "u-first", "X-Wx-Appid": "wx0123456789abcdef", "X-Wx-Source": "wx_client", "X-Seen-By-Site": "o-first",
		} {
			if got.Header.Get(key) != want {
				t.Errorf("Connection: %s: the backend sees %s: %q", connection, key, got.Header.Get(key))
			}
		}
		if own := got.Header.Get("X-Own"); (own == "") != strings.Contains(connection, "x-own") {
			t.Errorf("Connection: %s: the backend sees X-Own: %q", connection, own)
		}
	}
}

// A websocket can change as much as a POST: a page of another site opens none with the user's cookie.
func TestUpgradeFromAnotherSite(t *testing.T) {
	addr := shopWith(t, "\twechat_auth /members/*\n")
	cookie := "\nCookie: pay_session=" + token(t, "/pay", session.Identity{Kind: session.WxPub, OpenID: "o-page"})
	const upgrade = "\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	for _, tc := range []struct{ name, header, openid string }{
		{"this site's page", cookie + upgrade + "\nOrigin: http://" + addr, "o-page"},
		{"another site's", cookie + upgrade + "\nOrigin: https://evil.example", ""},
		{"nobody's", cookie + upgrade, ""},
		{"a sandbox's", cookie + upgrade + "\nOrigin: null", ""},
		{"another protocol", cookie + strings.Replace(upgrade, "websocket", "WebSocket, h2c", 1) + "\nOrigin: https://evil.example", ""},
		{"a page's GET", cookie + "\nConnection: close", "o-page"},
	} {
		status, body := raw(t, addr, "GET /shop HTTP/1.1\nHost: "+addr+tc.header+"\n\n")
		if got := report(t, status, body).Header.Get("X-Wx-Openid"); got != tc.openid {
			t.Errorf("%s: the backend is told of %q", tc.name, got)
		}
		status, body = raw(t, addr, "GET /members/1 HTTP/1.1\nHost: "+addr+tc.header+"\n\n")
		if tc.openid == "" && (status != http.StatusForbidden || !strings.Contains(body, `"origin_forbidden"`)) || tc.openid != "" && status != http.StatusOK {
			t.Errorf("%s: wechat_auth answers %d %s", tc.name, status, body)
		}
	}
}

// Our session in Authorization is for us: the site's backend, and those of the blocks on the way, see the shop's own values alone.
func TestSessionStaysOutOfAuthorization(t *testing.T) {
	dir, addr, echo := t.TempDir(), freeAddr(t), reporter(t)
	second := strings.Replace(secondBlock(t, dir), "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=", testSessionKey, 1) // as by default: one key for all
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+second+"\treverse_proxy "+echo+"\n}\n")
	first, other := token(t, "/pay", session.Identity{OpenID: "o-first"}), token(t, "/second", session.Identity{OpenID: "o-second"})
	expired := token(t, "/pay", session.Identity{OpenID: "o-first", Expires: time.Now().Add(-time.Second)})
	const foreign = "Bearer eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"
	for _, tc := range []struct {
		name          string
		authorization []string
		openid        string
		want          []string
	}{
		{"first", []string{"Bearer " + first}, "o-first", nil},
		{"second", []string{"bearer  " + other}, "o-second", nil},
		{"expired", []string{"Bearer " + expired}, "", nil},
		{"two values", []string{"Bearer " + first, "Basic aGk6aGk="}, "o-first", []string{"Basic aGk6aGk="}},
		{"in another scheme", []string{"Token token=\"" + first + "\""}, "", nil},
		{"the shop's own", []string{"Bearer abc"}, "", []string{"Bearer abc"}},
		{"the shop's own JWE", []string{foreign}, "", []string{foreign}},
	} {
		head := "GET /shop HTTP/1.1\nHost: " + addr + "\nConnection: close\n"
		for _, value := range tc.authorization {
			head += "Authorization: " + value + "\n"
		}
		status, body := raw(t, addr, head+"\n")
		got := report(t, status, body)
		if !slices.Equal(got.Header["Authorization"], tc.want) || got.Header.Get("X-Wx-Openid") != tc.openid {
			t.Errorf("%s: the backend sees %q and the openid %q", tc.name, got.Header["Authorization"], got.Header.Get("X-Wx-Openid"))
		}
		status, body = raw(t, addr, strings.Replace(head, "/shop", "/second/charges/ch_1", 1)+"\n")
		want := `"session_`
		if tc.openid == "o-second" {
			want = `"charge_not_found"`
		}
		if !strings.Contains(body, want) {
			t.Errorf("%s: the second block answers %d %s", tc.name, status, body)
		}
	}
}
