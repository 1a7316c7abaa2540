package shipping

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// Only programs that are not asked now have a pause, to the moment at which it ends, in the order of their AppIDs; a person is needed where WeChat waits for one.
func TestPauseRules(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	s.want("of which app", r.Scope(), scope)
	now := s.Clock.Now()
	for i, c := range []struct {
		kind   wechat.OrderKind
		person bool
	}{{wechat.OrderConfiguration, true}, {wechat.OrderToken, true}, {wechat.OrderQuotaMinute, false}, {wechat.OrderQuotaDay, false}, {wechat.OrderRetry, false}} {
		p := &program{appID: fmt.Sprint("wx", i), until: now.Add(time.Second), since: now.Add(-time.Minute), why: &wechat.OrderError{Kind: c.kind, Code: 7}}
		if got, is := p.pause(now); !is || got.Person != c.person || got.AppID != p.appID || !got.Since.Equal(p.since) || !got.Until.Equal(p.until) || got.Code != "7" {
			t.Errorf("%s: %+v, %t", c.kind, got, is)
		}
		for _, over := range []time.Duration{0, 1} {
			if got, is := p.pause(p.until.Add(over)); is || got != (shipping.Pause{}) {
				t.Errorf("%s, over: %+v", c.kind, got)
			}
		}
		r.programs[p.appID] = p
	}
	for range 20 { // a map has its own order
		var got []string
		for _, p := range r.Pauses(now) {
			got = append(got, p.AppID)
		}
		s.want("which", got, []string{"wx0", "wx1", "wx2", "wx3", "wx4"})
	}
}

// Each problem of what a backend answers is said in both languages.
func TestReceiptProblems(t *testing.T) {
	for answer, r := range map[string]*Receipts{
		`{"pay_shipping":{"type":"boat"}}`: {}, `{"pay_shipping":`: {}, "ok": {Type: ledger.ShipVirtual, Items: "{subject}"},
	} {
		_, p := r.Of(&ledger.Event{Body: []byte(`{}`)}, []byte(answer))
		if p.Code != ledger.ProblemInvalid || p.Text == "" || p.ZH == "" || p.ZH == p.Text {
			t.Errorf("%s: %+v", answer, p)
		}
	}
}
