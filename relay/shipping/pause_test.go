package shipping

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A pause says which mini program it is of, since when, until when and why, and is over once WeChat answers.
func TestPauses(t *testing.T) {
	for errcode, want := range map[int]struct {
		person bool
		until  time.Duration
		en, zh string
	}{
		40164: {true, time.Minute, "IP list", "IP 白名单"},
		45011: {false, time.Minute, "quota of this minute", "本分钟"},
		45009: {false, 0, "quota of the day", "当日调用次数已用完"},
	} {
		t.Run(fmt.Sprint(errcode), func(t *testing.T) {
			s := newStage(t)
			r := s.reporter(s.l)
			s.paid("1", true)
			s.report("1", tea)
			s.want("none", len(r.Pauses(s.Clock.Now())), 0)
			s.line.once(upload, answers(errcode))
			began := s.Clock.Now()
			s.turn(r)
			all := r.Pauses(s.Clock.Now())
			if len(all) != 1 {
				t.Fatalf("%+v", all)
			}
			p := all[0]
			if p.AppID != s.WxLite().AppID || !p.Since.Equal(began) || want.until > 0 && !p.Until.Equal(began.Add(want.until)) || !p.Until.After(began) || p.Code != fmt.Sprint(errcode) || p.Person != want.person ||
				!strings.Contains(p.EN, want.en) || !strings.Contains(p.ZH, want.zh) {
				t.Errorf("%+v", p)
			}
			s.Clock.Add(p.Until.Sub(s.Clock.Now()) + 10*time.Second)
			s.want("it is tried again", len(r.Pauses(s.Clock.Now())), 0)
			s.line.once(upload, answers(errcode))
			s.turn(r)
			if all := r.Pauses(s.Clock.Now()); len(all) != 1 || !all[0].Since.Equal(began) {
				t.Errorf("since then: %+v", all)
			}
			s.line.once(upload, func(req *http.Request, to http.RoundTripper) (*http.Response, error) { return to.RoundTrip(req) })
			s.Clock.Add(25 * time.Hour)
			s.turn(r)
			s.want("over", []any{len(r.Pauses(s.Clock.Now())), s.uploads()}, []any{0, 1})
		})
	}
}
