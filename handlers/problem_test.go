package handlers

import (
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// The codes of the contract that are in use, and their status.
const contract = `https_required 403 · target_invalid 400 · too_early 425 · not_found 404 · method_not_allowed 405 · too_large 413 · content_type 415 · json_invalid 400 · field_forbidden 400 · rate_limited 429 ·
code_missing 400 · code_invalid 401 · session_missing 401 · session_expired 401 · session_invalid 401 · wechat_busy 503 · wechat_blocked 403 · wechat_misconfigured 502 ·
wechat_rejected 502 · wechat_unavailable 502 · order_invalid 400 · order_not_found 404 · order_already_paid 409 · order_closed 409 · nothing_to_pay 409 · charge_not_found 404 · charge_superseded 409 · attempts_exceeded 429 · charge_expired 409 · charge_in_progress 409 ·
channel_unsupported 400 · channel_extra_missing 502 · amount_invalid 502 · quote_invalid 502 · backend_unavailable 502 · charge_rejected 402 · provider_rejected 502 · provider_unavailable 503 ·
provider_timeout 504 · signature_missing 401 · signature_invalid 401 · event_malformed 400 · mode_mismatch 403 · app_mismatch 403 · ledger_unavailable 503 ·
origin_forbidden 403 · oauth_state_invalid 403 · oauth_rejected 502 · snapshot_user 403 ·
token_invalid 401 · source_forbidden 403 · refund_invalid 400 · refund_exceeds 409 · charge_not_paid 409 · refund_rejected 402`

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
			writeProblem(rec, r, problem(f[0], errors.New("a secret cause")))
			a := answer{rec.Code, rec.Header(), rec.Body.Bytes()}
			wantProblem(t, a, c.status, f[0])
			if a.text("detail") != want || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%s in %q: %s", f[0], lang, a.body)
			}
			if got := a.header.Get("Content-Language"); (got == "en") != (want == c.en) || a.header.Get("Vary") != "Accept-Language" {
				t.Errorf("%s in %q: Content-Language %q, Vary %q", f[0], lang, got, a.header.Get("Vary"))
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
		p := retryProblem("charge_in_progress", wait, nil)
		p.Members = map[string]any{"field": "<b>&\u2028"}
		writeProblem(rec, httptest.NewRequest("GET", "/", nil), p)
		if got := rec.Header().Get("Retry-After"); got != want {
			t.Errorf("Retry-After for %s is %q, want %q", wait, got, want)
		}
		if a := (answer{body: rec.Body.Bytes()}); a.text("field") != "<b>&\u2028" || strings.Contains(rec.Body.String(), "<b>") {
			t.Errorf("members: %s", rec.Body)
		}
	}
}

func TestUnnamedErrorIsTheLedgers(t *testing.T) {
	cause := errors.New("disk full")
	p := asProblem(cause)
	if p.Code != "ledger_unavailable" || !errors.Is(p, cause) || p.RetryAfter == 0 || !strings.Contains(p.Error(), "disk full") {
		t.Errorf("got %v", p)
	}
	if named := problem("not_found", nil); asProblem(errors.Join(errors.New("x"), named)) != named || named.Error() != "not_found" {
		t.Error("a named problem is not kept")
	}
}

func TestRefusalIsLoggedOnce(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/pay/charges/ch_1", "")
	w.setQuote(w.answerQuote(map[string]any{"amount": -1}))
	w.pay(w.session(payer), "1001")
	lines := w.logs.FilterMessage("refused").All()
	if len(lines) != 2 || lines[0].Level != zap.InfoLevel || lines[1].Level != zap.ErrorLevel {
		t.Fatalf("lines: %v", lines)
	}
	m := lines[1].ContextMap()
	if m["route"] != "charges" || m["code"] != "amount_invalid" || m["status"] != int64(502) || !strings.Contains(m["error"].(string), "whole number of fen") {
		t.Errorf("the line says %v", m)
	}
}
