package problem

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func members(t *testing.T, rec *httptest.ResponseRecorder) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	return m
}

// The codes of the contract that are in use, and their status.
const contract = `https_required 403 · target_invalid 400 · too_early 425 · not_found 404 · method_not_allowed 405 · too_large 413 · content_type 415 · json_invalid 400 · field_forbidden 400 · rate_limited 429 ·
code_missing 400 · code_invalid 401 · session_missing 401 · session_expired 401 · session_invalid 401 · wechat_busy 503 · wechat_blocked 403 · wechat_misconfigured 502 ·
wechat_rejected 502 · wechat_unavailable 502 · order_invalid 400 · order_not_found 404 · order_already_paid 409 · order_closed 409 · nothing_to_pay 409 · charge_not_found 404 · charge_superseded 409 · attempts_exceeded 429 · charge_expired 409 · charge_in_progress 409 ·
channel_unsupported 400 · channel_extra_missing 502 · amount_invalid 502 · quote_invalid 502 · backend_unavailable 502 · charge_rejected 402 · provider_rejected 502 · provider_unavailable 503 ·
provider_timeout 504 · signature_missing 401 · signature_invalid 401 · event_malformed 400 · mode_mismatch 403 · app_mismatch 403 · ledger_unavailable 503 ·
origin_forbidden 403 · oauth_state_invalid 403 · oauth_rejected 502 · snapshot_user 403 ·
token_invalid 401 · source_forbidden 403 · refund_invalid 400 · refund_exceeds 409 · charge_not_paid 409 · refund_rejected 402 ·
shipping_invalid 400 · shipping_refused 409 · shipping_unavailable 503`

func TestEveryCode(t *testing.T) {
	entries := strings.Split(strings.ReplaceAll(contract, "\n", " "), "·")
	if len(entries) != len(codes) {
		t.Errorf("%d codes in the contract, %d in the table", len(entries), len(codes))
	}
	for _, entry := range entries {
		f := strings.Fields(entry)
		c, ok := codes[f[0]]
		if !ok {
			t.Errorf("%s is missing", f[0])
			continue
		}
		for lang, want := range map[string]string{"": c.zh, "zh-CN,zh;q=0.9,en;q=0.8": c.zh, "en-US,en;q=0.5": c.en, "EN": c.en, "fr, de;q=0.8": c.zh, "fr,en;q=0.3,zh;q=0.2": c.en} {
			r := httptest.NewRequest("GET", "/pay/x", nil)
			r.Header.Set("Accept-Language", lang)
			rec := httptest.NewRecorder()
			New(f[0], errors.New("a secret cause")).Write(rec, r)
			a := members(t, rec)
			if rec.Code != c.status || a["code"] != f[0] || a["status"] != float64(c.status) {
				t.Errorf("%s is answered with %d %s", f[0], rec.Code, rec.Body)
			}
			if title, _ := a["title"].(string); a["type"] != explained+"#"+f[0] || !strings.EqualFold(strings.ReplaceAll(title, " ", "_"), f[0]) || title[0] > 'Z' {
				t.Errorf("%s has the type %v and the title %q", f[0], a["type"], title)
			}
			if a["detail"] != want || want == "" || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%s in %q: %s", f[0], lang, rec.Body)
			}
			h := rec.Header()
			if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: the headers are %v", f[0], h)
			}
			if got := h.Get("Content-Language"); (got == "en") != (want == c.en) || h.Get("Vary") != "Accept-Language" {
				t.Errorf("%s in %q: Content-Language %q, Vary %q", f[0], lang, got, h.Get("Vary"))
			}
		}
		if strconv.Itoa(c.status) != f[1] {
			t.Errorf("%s has the status %d, want %s", f[0], c.status, f[1])
		}
	}
}

func TestProblemMembersAndRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", 20 * time.Second: "20"} {
		rec := httptest.NewRecorder()
		p := Retry("charge_in_progress", wait, nil)
		p.Members = map[string]any{"field": "<b>&\u2028"}
		p.Write(rec, httptest.NewRequest("GET", "/", nil))
		if got := rec.Header().Get("Retry-After"); got != want {
			t.Errorf("Retry-After for %s is %q, want %q", wait, got, want)
		}
		if a := members(t, rec); a["field"] != "<b>&\u2028" || strings.Contains(rec.Body.String(), "<b>") {
			t.Errorf("members: %s", rec.Body)
		}
	}
}

func TestUnnamedErrorIsTheLedgers(t *testing.T) {
	cause := errors.New("disk full")
	p := As(cause)
	if p.Code != "ledger_unavailable" || !errors.Is(p, cause) || p.RetryAfter == 0 || !strings.Contains(p.Error(), "disk full") {
		t.Errorf("got %v", p)
	}
	if named := New("not_found", nil); As(errors.Join(errors.New("x"), named)) != named || named.Error() != "not_found" {
		t.Error("a named problem is not kept")
	}
}
