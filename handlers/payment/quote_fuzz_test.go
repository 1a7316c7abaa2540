package payment

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/session"
)

func FuzzQuote(f *testing.F) {
	for _, s := range []string{
		`{"order_no":"1001","amount":1999,"currency":"cny","subject":"tea"}`,
		`{"order_no":"1001","amount":1999,"subject":"tea","body":"b","time_expire":1790003600,"metadata":{"k":"v"},"extra":{"limit_pay":"no_credit"},"status":"payable","openid":"o1"}`,
		"\xef\xbb\xbf" + `{"order_no":"1001","status":"paid"}`, `{"order_no":"1001","amount":1e3}`, `{"amount":-1}`, `{"amount":9223372036854775808}`, `[]`, `null`, ``, `<html>`,
		`{"order_no":"1001","amount":1,"subject":"🍵"}`, `{"order_no":"1001","amount":1,"subject":"\ud800"}`, `{"order_no":"1001","amount":1,"subject":"x","time_expire":999999999999999999}`,
		`{"order_no":"1001","amount":1,"subject":"x","metadata":[],"extra":[]}`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(s))
	}
	id := session.Identity{OpenID: "o1", AppID: "wx1"}
	c := channel.Of("wx_lite")
	now := time.Unix(1_790_000_000, 0)
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := (&Orders{}).parse(raw, "1001")
		if err == nil {
			err = q.check("1001", id, c, 5000, now)
		}
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Errorf("an error that no log line should hold: %q", err)
			}
			return
		}
		switch {
		case q.OrderNo != "1001", q.Amount <= 0 || q.Amount > 5000, q.Currency != "cny", q.OpenID != "" && q.OpenID != "o1", q.Status != "" && q.Status != "payable":
			t.Errorf("accepted: %+v", q)
		case strings.TrimSpace(q.Subject) == "" || utf8.RuneCountInString(q.Subject) > 32 || q.Body == "" || utf8.RuneCountInString(q.Body) > 128:
			t.Errorf("texts that the channel refuses: %q, %q", q.Subject, q.Body)
		case !q.TimeExpire.IsZero() && (q.TimeExpire.Before(now.Add(time.Minute)) || q.TimeExpire.After(now.Add(7*24*time.Hour))):
			t.Errorf("time_expire %v", q.TimeExpire)
		case len(q.Metadata) > 9 || q.Metadata[intake.MetaOrderNo] != "":
			t.Errorf("metadata %v", q.Metadata)
		}
		extra, err := c.Extra(channel.Given{Quote: q.Extra, OrderNo: "1001", OpenID: "o1"})
		if err == nil && extra["open_id"] != "o1" {
			t.Errorf("open_id is %v", extra["open_id"])
		}
	})
}

// FuzzQuoteWithPaths reads a backend's own JSON. Whatever it is, a price that is taken stands there, digit by digit.
func FuzzQuoteWithPaths(f *testing.F) {
	for _, s := range []string{
		legacyJSON(), legacyJSON("total_fee", "12.30"), legacyJSON("total_fee", "1e3"), legacyJSON("total_fee", "12.345"), legacyJSON("total_fee", `" 1"`), legacyJSON("total_fee", `"0.010"`),
		legacyJSON("state", "2"), legacyJSON("state", "null"), legacyJSON("deadline", `"0"`), legacyJSON("attach", `[]`), legacyJSON("goods", `[]`), legacyJSON("buyer", `{"openid":null}`),
		`{"data":{"total_fee":"1","total_fee":"2"}}`, `[]`, `{}`, ``, `{"data":[{"total_fee":1}]}`, "\xef\xbb\xbf" + `{"data":null}`, strings.Repeat(`{"data":`, 100), `{"data":{"total_fee":"1\u002e5"}}`,
	} {
		f.Add([]byte(s))
	}
	c := channel.Of("wx_lite")
	now := time.Unix(1_790_000_000, 0)
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := legacy()
		q, err := o.parse(raw, "1001")
		if err == nil {
			err = q.check("1001", session.Identity{OpenID: "o1"}, c, 5000, now)
		}
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Errorf("an error that no log line should hold: %q", err)
			}
			return
		}
		var data struct {
			Data map[string]json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(string(raw), "\xef\xbb\xbf")), &data); err != nil {
			t.Fatalf("%q is taken, and encoding/json says %v", raw, err)
		}
		price := strings.Trim(string(data.Data["total_fee"]), `"`)
		var text string
		if json.Unmarshal(data.Data["total_fee"], &text) == nil {
			price = text
		}
		exact, ok := new(big.Rat).SetString(price)
		if !ok || exact.Mul(exact, big.NewRat(100, 1)).Cmp(new(big.Rat).SetInt64(q.Amount)) != 0 || q.Amount <= 0 || q.Amount > 5000 {
			t.Errorf("%q yuan became %d fen", price, q.Amount)
		}
		if q.OrderNo != "1001" || q.Currency != "cny" || q.Status != "payable" || q.OpenID != "" && q.OpenID != "o1" || strings.TrimSpace(q.Subject) == "" {
			t.Errorf("accepted: %+v", q)
		}
	})
}
