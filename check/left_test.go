package check

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What is left of the disk is said in days where that is known, and what it comes to goes by bytes and by days.
func TestDiskLeft(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, c := range []struct {
		name        string
		free, grown int64
		over        time.Duration
		err         error
		want        Result
		says, zh    string
	}{
		{"plenty", 50 * gib, gib, 24 * time.Hour, nil, OK, "51200 MiB left, enough for 50 days", "还够 50 天"},
		{"eight days", 8 * gib, gib / 24, time.Hour, nil, OK, "enough for 8 days", "还够 8 天"},
		{"it hardly grows", 50 * gib, 1, 24 * time.Hour, nil, OK, "has 51200 MiB left", "剩余 51200 MiB"},
		{"it does not grow", 50 * gib, 0, 24 * time.Hour, nil, OK, "has 51200 MiB left", "剩余 51200 MiB"},
		{"not known yet", 50 * gib, 10 * gib, 59 * time.Minute, nil, OK, "has 51200 MiB left", "剩余 51200 MiB"},
		{"six days", 6*gib + mib, gib, 24 * time.Hour, nil, Warn, "full in 6 days: 6145 MiB are left", "6 天内写满"},
		{"little, growing slowly", 500 * mib, mib, 24 * time.Hour, nil, Warn, "has 500 MiB left", "仅剩 500 MiB"},
		{"less than a day", gib, 2 * gib, 24 * time.Hour, nil, Fail, "as good as full: 1024 MiB are left, less than it grows in a day", "不够账本增长一天"},
		{"next to nothing", 63 * mib, 0, 0, nil, Fail, "as good as full: 63 MiB are left", "仅剩 63 MiB"},
		{"it cannot be asked", 0, 0, 0, errors.New("no such file"), Unknown, "no such file", "no such file"},
	} {
		b := &Book{File: "/var/lib/caddy/pay.db", Free: func() (int64, error) { return c.free, c.err }, Grown: func() (int64, time.Duration) { return c.grown, c.over }}
		f := b.disk(t.Context())[0]
		if f.Result != c.want || !strings.Contains(f.Text.EN, c.says) || !strings.Contains(f.Text.ZH, c.zh) {
			t.Errorf("%s: %s %q, %q", c.name, f.Result, f.Text.EN, f.Text.ZH)
		}
		if bad := f.Result == Warn || f.Result == Fail; bad != (f.Fix.EN != "" && f.Fix.ZH != "" && len(f.Commands) > 0) {
			t.Errorf("%s: to be mended by %q, %q", c.name, f.Fix.EN, f.Commands)
		}
	}
}

// How long a certificate is good is said, and what that comes to goes by it.
func TestCertificateLeft(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		left time.Duration
		want Result
		says string
	}{
		{60*day + time.Hour, OK, "for 60 days"},
		{14*day + time.Hour, OK, "for 14 days"},
		{14*day - time.Hour, Warn, "ends in 13 days"},
		{time.Hour, Warn, "ends in 0 days"},
		{-time.Hour, Fail, "ended on"},
	} {
		w := newWorld(t, nil)
		w.shown(t, time.Now().Add(c.left))
		f := w.site.certificate(t.Context())[0]
		if f.Result != c.want || !strings.Contains(f.Text.EN, c.says) || f.Text.ZH == "" || strings.Contains(f.Text.EN+f.Text.ZH, "%!") {
			t.Errorf("%s left: %s %q, %q", c.left, f.Result, f.Text.EN, f.Text.ZH)
		}
	}
}
