package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const mark = "Mark0123456789"

func TestTextShowsNothing(t *testing.T) {
	type outer struct {
		Key    Secret
		Keys   []Secret
		ByName map[string]Secret
		hidden Secret
	}
	s := New(mark)
	for _, v := range []any{s, &s, []Secret{s}, outer{s, []Secret{s}, map[string]Secret{"a": s}, s}, &outer{Key: s, hidden: s}, struct{ inner outer }{outer{Key: s, hidden: s}}} {
		for _, shown := range EveryWay(v) {
			for _, form := range []string{mark, fmt.Sprintf("%x", mark), fmt.Sprintf("%X", mark), strings.Trim(fmt.Sprint([]byte(mark)), "[]")} {
				if strings.Contains(shown, form) {
					t.Errorf("%T is shown as %s", v, shown)
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %s %q %+v", s, s, s, Secret{}); got != `[redacted] [redacted] "[redacted]" ` {
		t.Error(got)
	}
}

// EveryWay prints and encodes a value in all ways that a log line or an error may.
func EveryWay(v any) (all []string) {
	raw, _ := json.Marshal(v) // what holds functions is none
	var lines bytes.Buffer
	zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&lines), zap.DebugLevel)).Error("line", zap.Reflect("reflect", v))
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("line", "any", v)
	return append(Printed(v), string(raw), lines.String())
}

// Printed is a value in all ways that print it: by fmt's verbs, and as zap.Any of a line.
func Printed(v any) (all []string) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		all = append(all, fmt.Sprintf(verb, v))
	}
	var lines bytes.Buffer
	for _, enc := range []zapcore.Encoder{zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())} {
		zap.New(zapcore.NewCore(enc, zapcore.AddSync(&lines), zap.DebugLevel)).Error("line", zap.Any("any", v))
	}
	slog.New(slog.NewTextHandler(&lines, nil)).Info("line", "any", v)
	return append(all, lines.String())
}

func TestText(t *testing.T) {
	s := New(mark)
	if s.Reveal() != mark || s.Empty() || !New("").Empty() || New("").Reveal() != "" || !s.Equal(New(mark)) || s.Equal(New("Mark")) || s.Equal(Secret{}) || !(Secret{}).Equal(New("")) {
		t.Error("a secret is not what it was made of")
	}
	if all := All("a", "b"); len(all) != 2 || all[1].Reveal() != "b" {
		t.Errorf("%d", len(all))
	}
}

func TestShortID(t *testing.T) {
	for id, want := range map[string]string{"": "…", "oShort": "…", "oUpF8uMuAJO": "oUpF8u…"} {
		if got := ShortID(id); got != want {
			t.Errorf("%q is shown as %q, want %q", id, got, want)
		}
	}
}

// An openid is found by its look alone, whatever it begins and ends with, and nothing else is taken for one.
func TestOpenIDs(t *testing.T) {
	const id = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
	dashed, under := id[:27]+"-", id[:27]+"_"
	for text, want := range map[string]string{
		"": "", "o": "o", id: "<oUpF8u>", dashed: "<oUpF8u>", under: "<oUpF8u>",
		"no user " + dashed + ", nor " + id + ".": "no user <oUpF8u>, nor <oUpF8u>.",
		`"` + dashed + `"` + id + `"`:             `"<oUpF8u>"<oUpF8u>"`,
		"user_" + id + "_" + dashed:               "user_<oUpF8u>_<oUpF8u>",
		"用户" + id + "不存在":                         "用户<oUpF8u>不存在",
		id[:27]:                                   id[:27],
		id + "x":                                  id + "x",
		"x" + id:                                  "x" + id,
		"evt_400261127052149381159644":            "evt_400261127052149381159644",
		"order-2026-11-26-0000000001-":            "<order->",
	} {
		if got := OpenIDs(text, func(id string) string { return "<" + id[:6] + ">" }); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
