package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// corsSite is a shop, and a page on two other origins, of which it lists one. To browsers all three are one site: they share cookies.
const corsSite = `
https://127.0.0.1:<port>, https://localhost:<port> {
	log {
		output stderr
		format filter {
			request>headers>X-Pay-Session delete
		}
	}
	pay {` + accounts + events + `
		cors https://127.0.0.1:<listed>
	}
	reverse_proxy <backend>
}

https://127.0.0.1:<listed>, https://127.0.0.1:<unlisted> {
	header Content-Type text/html
	respond "<!doctype html><title>H5</title><img id=qr width=300 height=300>"
}
`

// A page of a listed origin logs in, creates a charge, shows its code and waits for the payment, in a real browser; the same page on
// another origin can do nothing.
func TestPagesOfOtherOrigins(t *testing.T) {
	s := newStage(t, false)
	ports := freePorts(t, 2)
	listed, unlisted := fmt.Sprintf("https://127.0.0.1:%d", ports[0]), fmt.Sprintf("https://127.0.0.1:%d", ports[1])
	var unasked sync.Map // order numbers that the backend is not to be asked about
	s.backend.script(func() {
		s.backend.quote = func(orderNo string) (int, any) {
			if strings.HasPrefix(orderNo, "UNLISTED") {
				unasked.Store(orderNo, true)
			}
			return http.StatusOK, map[string]any{"order_no": orderNo, "amount": 1999, "subject": "Green tea"}
		}
	})
	s.start(strings.NewReplacer("<listed>", fmt.Sprint(ports[0]), "<unlisted>", fmt.Sprint(ports[1])).Replace(corsSite))

	code := s.box.NewCode("o-of-a-page")
	s.keepSecret(code, "a login code")
	checks(t, []string{fmt.Sprintf("SITE=https://127.0.0.1:%d", s.port), "LISTED=" + listed, "UNLISTED=" + unlisted, "CODE=" + code, "SANDBOX=" + s.outside.URL}, "cors.js")

	// The session of a visitor is in no log, though it stands in a header of the answer.
	a := s.call("POST", "/pay/charges", map[string]string{"order_no": "C10009", "channel": "wx_pub_qr"}, "Origin", listed)
	session := a.Header.Get("X-Pay-Session")
	if a.StatusCode != http.StatusCreated || session == "" {
		t.Fatalf("%s", a)
	}
	s.keepSecret(session, "a visitor's session")
	unasked.Range(func(orderNo, _ any) bool {
		t.Errorf("the backend was asked about %s", orderNo)
		return true
	})
}
