package handlers

import (
	"strings"
	"testing"

	"go.uber.org/zap"
)

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
