package caddymodule

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/caddymodule/plain"
)

// hostile is a text that would act on a terminal, as U+009B does for ESC [ and U+202E turns the line around.
const hostile = "1\x1b[2J\u009b31m\u202e\u2066\u200b\u2028\U000e0041\x7f\r\b9"

func TestPlainLog(t *testing.T) {
	var all, warnings bytes.Buffer
	to := func(out *bytes.Buffer, level zapcore.Level) zapcore.Core {
		return zapcore.NewCore(zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", StacktraceKey: "stack", EncodeTime: zapcore.ISO8601TimeEncoder, EncodeDuration: zapcore.StringDurationEncoder}), zapcore.AddSync(out), level)
	}
	log := plainLog(zap.New(zapcore.NewTee(to(&all, zap.InfoLevel), to(&warnings, zap.WarnLevel)))).With(zap.String("with", hostile))
	log.Debug("unheard")
	log.Info(hostile, zap.String("s", hostile), zap.Error(errors.New(hostile)), zap.ByteString("b", []byte(hostile)), zap.Any("any", []any{hostile}), zap.Strings("list", []string{hostile}),
		zap.Stringer("stringer", bytes.NewBufferString(hostile)), zap.Int("n", 1), zap.Time("t", time.Now()), zap.Error(nil))
	if warnings.Len() != 0 {
		t.Errorf("a core got a line below its level: %s", &warnings)
	}
	if n := strings.Count(all.String(), "31m"); n != 8 || strings.ContainsFunc(strings.TrimSuffix(all.String(), "\n"), func(c rune) bool { return c != '\t' && plain.Hidden(c) }) {
		t.Errorf("%d of 8 texts: %q", n, all.String())
	}
	log.Warn("both")
	if !strings.Contains(warnings.String(), "both") || strings.Count(all.String(), "both") != 1 {
		t.Errorf("%q, %q", &warnings, &all)
	}
}

// One event of Ping++ with a time that no calendar knows, and with texts that act on a terminal, blinds nobody.
func TestEventThatBlinds(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	d.refuses(true)
	a := runAdmin(t, d.site(t, dir, addr))
	body := strings.NewReplacer("1427555101", "9000000000000000", `"order_no":"orderx"`, `"order_no":"`+strings.NewReplacer("\x1b", `\u001b`, "\r", `\r`, "\b", `\b`).Replace(hostile)+`"`).Replace(string(webhookEvent("x")))
	for _, event := range []string{body, string(webhookEvent("fine"))} {
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", []byte(event)); status != 200 {
			t.Fatalf("the webhook is answered %d", status)
		}
	}
	eventually(t, "the last attempts", func() bool { return a.show("x").State == "dead" && a.show("fine").State == "dead" })
	e := a.show("x")
	if e.Created.Year() != 9999 || !strings.Contains(e.Body, "9000000000000000") {
		t.Errorf("created %s\n%s", e.Created, e.Body)
	}
	for _, line := range []string{"events list", "events show evt_x", "events list --json", "events show evt_x --json", "events discard evt_x", "events release evt_x", "events show evt_\u202e", "events list --since \u009b"} {
		var out bytes.Buffer
		err := payCommand(t, &out, append(strings.Fields(line), "--address", a.addr)...).ExecuteContext(t.Context())
		text := out.String()
		if err != nil {
			text += err.Error()
		}
		if strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(text), plain.Hidden) || !utf8.ValidString(text) {
			t.Errorf("%s shows %q", line, text)
		}
		if (line == "events list" || line == "events show evt_x") && (err != nil || !strings.Contains(text, `1\u001b[2J`)) {
			t.Errorf("%s: %v\n%s", line, err, text)
		}
		if strings.HasPrefix(line, "events list") && !strings.Contains(line, "since") && !strings.Contains(text, "evt_fine") {
			t.Errorf("%s lacks the other event: %v\n%s", line, err, text)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, `"pay`) || strings.Contains(line, "evt_x") {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), plain.Hidden) {
				t.Errorf("the log has %q", line)
			}
		}
	}
	if !bytes.Contains(raw, []byte("31m")) {
		t.Error("the log does not name the order")
	}
}
