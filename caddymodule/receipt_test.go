package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// Whatever stands around pay on a site, a webhook gets a 2xx only when it is recorded.
func TestNoFalseReceipt(t *testing.T) {
	big := strings.Repeat("x", 4<<10)
	for name, around := range map[string]string{
		"a body limit and a kind error page":    "\trequest_body {\n\t\tmax_size 1KB\n\t}\n\thandle_errors {\n\t\trespond success 200\n\t}\n\trespond site\n",
		"a body that is replaced":               "\trequest_body {\n\t\tset success\n\t}\n\trespond site\n",
		"a redirect that is a page":             "\tredir https://shop.example.com/ html\n",
		"a rewrite and an error page":           "\trewrite * /index.html\n\thandle_errors {\n\t\trespond success 200\n\t}\n\terror * 500\n",
		"a path matcher of other spellings":     "\thandle /pay/* {\n\t\trespond success 200\n\t}\n\trespond site\n",
		"answers that are intercepted":          "\tintercept {\n\t\t@bad status 4xx 5xx\n\t\thandle_response @bad {\n\t\t\trespond success 200\n\t\t}\n\t}\n\trespond site\n",
		"compression, templates and a password": "\tencode\n\ttemplates\n\tbasic_auth {\n\t\ta $2a$04$SmTKCqW8Ki7rZ5oBWVvoTeA8nCl4V1Z7QkLhW9Yj1bM0c1mHCLGUK\n\t}\n\trespond site\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir, addr := t.TempDir(), freeAddr(t)
			run(t, globals(dir)+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+around+"}\n")
			post := func(path string, body []byte, chunked bool) int {
				t.Helper()
				r, err := http.NewRequest("POST", "http://"+addr+path, bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if chunked {
					r.ContentLength = -1
				}
				r.Header.Set("X-Pingplusplus-Signature", signature(t, body))
				resp, err := client(t).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			n := 0
			for _, path := range []string{"/pay/webhooks", "//pay/webhooks", "/pay//webhooks", "/pay/webhooks/", "/%70ay/webhooks",
				"/Pay/webhooks", "/PAY/webhooks", "/pay/./webhooks", "/x/../pay/webhooks", "/pay/%2E/webhooks", "/pay/webhook", "/pay"} {
				for _, chunked := range []bool{false, true} {
					n++
					id := fmt.Sprint("receipt", n)
					body := bytes.Replace(webhookEvent(id), []byte(`"livemode"`), []byte(`"padding":"`+big+`","livemode"`), 1)
					status := post(path, body, chunked)
					recorded := isRecorded(t, "evt_"+id)
					if (status/100 == 2) != recorded {
						t.Errorf("%s (chunked: %t) answered %d, and recorded is %t", path, chunked, status, recorded)
					}
					if n <= 10 && !recorded {
						t.Errorf("%s answered %d", path, status)
					}
					if status := post(path, []byte("{}"), chunked); status/100 == 2 {
						t.Errorf("%s (chunked: %t) answered %d to nothing", path, chunked, status)
					}
				}
			}
		})
	}
}

func isRecorded(t *testing.T, id string) bool {
	t.Helper()
	_, found := running(t)
	l, err := found[0].resolved.Ledger(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.Event(context.Background(), found[0].resolved.Scope, id)
	if err != nil && err != ledger.ErrNotFound {
		t.Fatal(err)
	}
	return err == nil && e.ID == id
}
