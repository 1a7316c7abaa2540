package handlers

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

// visitor is a browser on a page of the site; its charges are its own by the cookie.
type visitor struct {
	w      *world
	cookie string
}

func (v *visitor) do(method, path, body string, header ...string) answer {
	v.w.t.Helper()
	a := v.w.do(method, path, body, append(header, "Origin", v.w.server.URL, "Cookie", v.cookie)...)
	for _, c := range a.header["Set-Cookie"] {
		v.cookie, _, _ = strings.Cut(c, ";")
	}
	return a
}

// pay makes a charge and returns its id and its credential.
func (v *visitor) pay(orderNo, channel string) (id, page string) {
	v.w.t.Helper()
	a := v.do("POST", "/pay/charges", `{"order_no":"`+orderNo+`","channel":"`+channel+`"}`)
	if a.status != 201 {
		v.w.t.Fatalf("%d %s", a.status, a.body)
	}
	var c struct {
		Credential map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.body, &c); err != nil {
		v.w.t.Fatal(err)
	}
	_ = json.Unmarshal(c.Credential[channel], &page)
	return a.text("id"), page
}

// The pictures show the credential's address, module by module, with white around it.
func TestQRCode(t *testing.T) {
	w := newWorld(t)
	v := &visitor{w: w}
	for orderNo, channel := range map[string]string{"Q10001": "wx_pub_qr", "Q10002": "alipay_qr", "Q10003": "wx_wap"} {
		id, page := v.pay(orderNo, channel)
		code, err := qr.Encode(page, qr.M, qr.Auto)
		if err != nil || page == "" {
			t.Fatal(err, page)
		}
		n := code.Bounds().Dx()

		a := v.do("GET", "/pay/charges/"+id+"/qr.png", "")
		if a.status != 200 || a.header.Get("Content-Type") != "image/png" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Pay-Order-No") != orderNo {
			t.Fatalf("%s: %d %v", channel, a.status, a.header)
		}
		img, err := png.Decode(bytes.NewReader(a.body))
		if err != nil || img.Bounds().Dx() != (n+2*quietZone)*pngModule || img.Bounds().Dy() != img.Bounds().Dx() {
			t.Fatal(err, img.Bounds())
		}
		for y := -quietZone; y < n+quietZone; y++ {
			for x := -quietZone; x < n+quietZone; x++ {
				want := x >= 0 && y >= 0 && x < n && y < n && dark(code, x, y)
				r, _, _, _ := img.At((x+quietZone)*pngModule+pngModule/2, (y+quietZone)*pngModule+pngModule/2).RGBA()
				if (r == 0) != want {
					t.Fatalf("%s: the module at %d,%d is wrong", channel, x, y)
				}
			}
		}

		a = v.do("GET", "/pay/charges/"+id+"/qr.svg", "")
		if a.status != 200 || a.header.Get("Content-Type") != "image/svg+xml" || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v", channel, a.status, a.header)
		}
		var svg struct {
			ViewBox string `xml:"viewBox,attr"`
		}
		if err := xml.Unmarshal(a.body, &svg); err != nil || svg.ViewBox == "" {
			t.Errorf("%v in %s", err, a.body)
		}
	}
}

// A picture is of one's own charge, and only while it can be paid.
func TestQRCodeRefused(t *testing.T) {
	w := newWorld(t)
	v := &visitor{w: w}
	qrOf := func(id string) answer { return v.do("GET", "/pay/charges/"+id+"/qr.svg", "") }

	id, _ := v.pay("Q20001", "wx_pub_qr")
	wantProblem(t, w.do("GET", "/pay/charges/"+id+"/qr.svg", ""), 401, "session_missing")
	other := &visitor{w: w}
	other.pay("Q20002", "wx_pub_qr")
	wantProblem(t, other.do("GET", "/pay/charges/"+id+"/qr.svg", ""), 404, "charge_not_found")
	wantProblem(t, qrOf("ch_unknown"), 404, "charge_not_found")
	wantProblem(t, v.do("GET", "/pay/charges/"+id+"/qr.gif", ""), 404, "not_found")
	wantProblem(t, v.do("POST", "/pay/charges/"+id+"/qr.svg", ""), 405, "method_not_allowed")

	superseded := id
	v.pay("Q20001", "alipay_qr")
	wantProblem(t, qrOf(superseded), 409, "charge_superseded")

	session := w.session(payer)
	mini, _ := w.created(session, "Q20003")
	wantProblem(t, w.do("GET", "/pay/charges/"+mini+"/qr.svg", "", "X-Pay-Session", session), 404, "not_found")

	paid, _ := v.pay("Q20004", "wx_pub_qr")
	w.paid(paid)
	a := qrOf(paid)
	wantProblem(t, a, 409, "order_already_paid")
	if a.text("charge_id") != paid {
		t.Errorf("%s", a.body)
	}

	expired, _ := v.pay("Q20005", "wx_pub_qr")
	w.config.Sessions.TTL = 5 * time.Hour
	v.pay("Q20006", "wx_pub_qr") // prolongs the session
	w.clock.Add(2 * time.Hour)
	wantProblem(t, qrOf(expired), 409, "charge_expired")
}

// dark reports whether a module is to be black.
func dark(code barcode.Barcode, x, y int) bool {
	return color.GrayModel.Convert(code.At(x, y)).(color.Gray).Y < 0x80
}
