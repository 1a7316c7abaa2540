package merchant

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// While WeChat is not asked about a mini program, that stands with what it is still to be asked about, and is the error of a report that has no other.
func TestShippingWhileWeChatIsNotAsked(t *testing.T) {
	s, _ := newLiveShop(t)
	s.begun("order1", "ch_1", 1999, true)
	s.api.Pauses = func() []shipping.Pause {
		now := s.Clock.Now()
		return []shipping.Pause{{AppID: "wx1", Code: "45009", EN: "used up", ZH: "已用完", Since: now, Until: now.Add(time.Hour)}}
	}
	want := func(when, wrong, paused string) {
		t.Helper()
		w, p := s.reads("order1")
		var v struct{ Error, Paused struct{ Code, Detail string } }
		if p != nil || json.Unmarshal(w.Body.Bytes(), &v) != nil || v.Error.Code != wrong || v.Paused.Code != paused || paused != "" && v.Paused.Detail != "已用完" {
			t.Errorf("%s: %v %s", when, p, w.Body)
		}
	}
	want("nothing is to be told yet", "", "45009")
	s.ships("order1", parcels)
	want("the report waits", "45009", "45009")
	s.wechat("ch_1", ledger.ShippingNotFound, ledger.ShippingProblem{Code: "10060001", Text: "not yet"})
	want("the report has an error of its own", "10060001", "45009")
	s.After(time.Hour)
	s.wechat("ch_1", ledger.ShippingAccepted, ledger.ShippingProblem{})
	want("it is accepted, and looked at daily", "", "45009")
}

// What WeChat needs not be asked about is shown without its pause.
func TestShippingThatIsOver(t *testing.T) {
	pauses := func() []shipping.Pause { return []shipping.Pause{{AppID: "wx1", Code: "45009"}} }
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	over := &ledger.Shipment{OrderNo: "order1", ChargeID: "ch_1", PayerAppID: "wx1", State: ledger.ShipmentSettled, Stage: ledger.ReportDone}
	if v := (&API{Pauses: pauses}).view(over, r); v.Paused != nil || v.Error != nil || v.Status != "settled" {
		t.Errorf("%+v", v)
	}
	over.Due = time.Unix(1000, 0)
	if v := (&API{Pauses: pauses}).view(over, r); v.Paused == nil {
		t.Errorf("%+v", v)
	}
}

// Answers whose words are those of the language that is asked for say so to whatever keeps them.
func TestShippingVaries(t *testing.T) {
	s, _ := newLiveShop(t)
	s.begun("order1", "ch_1", 1999, true)
	order := func() (*httptest.ResponseRecorder, *problem.Problem) {
		return s.calls(func(w http.ResponseWriter, r *http.Request) error { return s.api.Order(w, r, "order1") }, http.MethodGet, "")
	}
	want := func(what, vary string, w *httptest.ResponseRecorder, p *problem.Problem) {
		t.Helper()
		if p != nil || w.Header().Get("Vary") != vary {
			t.Errorf("%s: %v %v", what, p, w.Header())
		}
	}
	w, p := order()
	want("an order without shipping", "", w, p)
	s.api.Ships = true
	w, p = order()
	want("an order", "Accept-Language", w, p)
	w, p = s.ships("order1", parcels)
	want("a report", "Accept-Language", w, p)
	w, p = s.reads("order1")
	want("its shipping", "Accept-Language", w, p)
}
