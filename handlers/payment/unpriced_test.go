package payment

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A stranger who makes numbers up pushes the oldest out, and no memory is filled.
func TestUnpricedIsBounded(t *testing.T) {
	t.Parallel()
	s := new(Prices)
	for i := range 3 * maxUnpriced {
		s.unpriced.note(fmt.Sprint(i), time.Unix(int64(i), 0), errors.New("no"))
		s.unpriced.note("again", time.Unix(int64(i), 0), errors.New("no"))
	}
	if n, m := len(s.unpriced.orders), len(s.unpriced.oldest); n != maxUnpriced || m != maxUnpriced {
		t.Errorf("%d and %d orders are kept", n, m)
	}
	if why, ok := s.Unpriced("again"); !ok || why.At.Unix() != 3*maxUnpriced-1 {
		t.Errorf("the last: %+v, %t", why, ok)
	}
	if _, ok := s.Unpriced("0"); ok {
		t.Error("the oldest is kept")
	}
}
