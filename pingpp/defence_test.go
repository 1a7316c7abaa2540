package pingpp

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A list holds one charge of the other mode: it is refused whole.
func TestListOfAnotherMode(t *testing.T) {
	for name, change := range map[string]map[string]any{"ours": {}, "live": {"livemode": true}, "another app's": {"app": "app_other"}} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			items := []json.RawMessage{charge(nil), charge(change)}
			_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "has_more": false, "data": items})
		})
		list, err := c.ListCharges(t.Context(), ListParams{})
		if (err == nil) != (name == "ours") || err == nil && len(list.Data) != 2 {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// What a till has read of a payer takes money from it: no error shows it, nor whatever else names the payer.
func TestPayersStayOutOfErrors(t *testing.T) {
	for _, name := range []string{"open_id", "scan_code", "phone", "mobile", "id_no"} {
		const own = "134567890123456781"
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": "invalid_request_error", "message": "bad value " + own, "param": "extra[" + own + "]"}})
		})
		p := params()
		p.Extra = map[string]any{name: own}
		if _, err := c.CreateCharge(t.Context(), p); err == nil || strings.Contains(err.Error(), own) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signature is one text: another one that a lenient decoder reads as the same bytes is none.
func TestSignatureInAnotherSpelling(t *testing.T) {
	body := []byte(`{"id":"evt_1"}`)
	key := newKey()
	sig, err := Sign(key, body)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, &key.PublicKey)
	if err := v.Verify(body, []string{sig}); err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(sig) - 3 // two bits of this character count, and == follows
	i := strings.IndexByte(alphabet, sig[last])
	for _, other := range []string{sig[:last] + string(alphabet[i^1]) + sig[last+1:], sig[:40] + "\n" + sig[40:], strings.TrimRight(sig, "=")} {
		if err := v.Verify(body, []string{other}); err == nil {
			t.Errorf("%q is taken for %q", other, sig)
		}
	}
}

// A channel that says "paid" beside "closed" has the money: no other number is tried.
func TestPaidGoesBeforeUsed(t *testing.T) {
	e := &Error{Kind: Channel, Code: "channel_request_error", Message: "ORDERCLOSED: 该订单已支付"}
	if !e.OrderPaid() || e.NumberUsed() {
		t.Errorf("paid %t, another number may do %t", e.OrderPaid(), e.NumberUsed())
	}
}
