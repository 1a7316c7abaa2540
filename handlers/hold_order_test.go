package handlers

import (
	"context"
	"net/http"
	"testing"
)

// Whoever may not pay an order cannot hold it, however long the backend takes to say so to them.
func TestStrangerCannotHoldAnOrder(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.session(payer), w.session(stranger)
	sound := w.answerQuote(map[string]any{"openid": payer})
	asked, say := make(chan struct{}, 8), make(chan struct{})
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-WX-OPENID") == stranger {
			asked <- struct{}{}
			<-say
		}
		sound(rw, r)
	})
	result := make(chan func() (answer, error), 1)
	go func() {
		a, err := w.try(context.Background(), w.server, "POST", "/pay/charges", order("1001"), "X-Pay-Session", theirs)
		result <- func() (answer, error) { return a, err }
	}()
	<-asked
	if n := len(w.attempts("1001")); n != 0 {
		t.Errorf("the stranger holds the order: %d attempts", n)
	}
	w.created(mine, "1001") // while the stranger still waits for an answer
	close(say)
	got, err := (<-result)()
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, got, 404, "order_not_found")
	if n := len(asked); n != 0 {
		t.Errorf("the backend was asked about the stranger %d times more", n)
	}
}
