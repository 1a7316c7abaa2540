package body

import (
	"bytes"
	"io"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"
)

// deadlines is a server's writer that notes until when the connection may be read.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// A body that comes at a good rate has as long as it needs, and once it has come the connection has no end any more: the request may
// wait for a payment.
func TestBodyPace(t *testing.T) {
	const size = 20 * bodyRate
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest("POST", "/pay/webhooks", io.NopCloser(iotest.OneByteReader(bytes.NewReader(make([]byte, size)))))
	r.ContentLength = size
	start := time.Now()
	Pace(w, r)
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
		t.Fatal(n, err)
	}
	if len(w.set) < 3 {
		t.Fatalf("%d ends were set", len(w.set))
	}
	last := len(w.set) - 1
	if first := w.set[0].Sub(start); first < bodyTime || first > bodyTime+time.Minute {
		t.Errorf("nothing of it has come, and it has %s", first)
	}
	if longer := w.set[last-1].Sub(w.set[0]); longer != 20*time.Second {
		t.Errorf("all of it has come, and gave it %s more", longer)
	}
	if !w.set[last].IsZero() {
		t.Errorf("the end is still set: %s", w.set[last])
	}
}
