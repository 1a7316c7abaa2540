package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddypay/caddypay/adminapi"
)

const (
	opened      = 4               // times that each page is opened in a round
	refreshes   = 5 * time.Second // between two of an open page, as console.js has it
	figuresKept = 3 * time.Second // longer than figures are kept for the next scrape
)

// operators measures what those see who look after the big ledger, and what it costs the payers that somebody looks.
func (b *bench) operators() error {
	if !b.hasConsole {
		return nil // an older binary
	}
	pages, searches, err := b.pages()
	if err != nil {
		return err
	}
	// slowest are the slowest pages of each round, by the median of each page's times, and the name of the slowest of all.
	slowest := func(of map[string]string) (took []float64, name string, err error) {
		most := 0.0
		for range b.rounds {
			worst := 0.0
			for _, page := range slices.Sorted(maps.Keys(of)) {
				var times []time.Duration
				for range opened {
					d, err := b.open("http://" + b.many.addr + "/console/" + of[page])
					if err != nil {
						return nil, "", err
					}
					times = append(times, d)
				}
				if d := quantile(times, 0.5); d > worst {
					worst = d
					if worst > most {
						most, name = worst, page
					}
				}
			}
			took = append(took, worst)
		}
		return took, name, nil
	}
	among := fmt.Sprintf(", %d events", b.rows)
	took, name, err := slowest(pages)
	if err != nil {
		return err
	}
	b.report.plain("slowest list or page"+among, took, "ms", target{most: 100}, name)
	if took, name, err = slowest(searches); err != nil {
		return err
	}
	b.report.plain("slowest search"+among, took, "ms", target{most: 100}, name)

	var scrapes []float64
	for range b.rounds {
		time.Sleep(figuresKept)
		d, err := b.open("http://" + b.many.admin + "/metrics")
		if err != nil {
			return err
		}
		scrapes = append(scrapes, float64(d.Microseconds())/1000)
	}
	b.report.plain("scrape"+among, scrapes, "ms", target{}, "all of Caddy's metrics")
	return b.watched()
}

// pages are the console's lists, with filters that an index serves and with some that none does, and one order's and one event's page; searches are for
// one event by all that it is known by.
func (b *bench) pages() (pages, searches map[string]string, err error) {
	client := adminapi.NewClient(adminapi.Endpoint{HTTP: http.DefaultClient, URL: "http://" + b.many.admin, Origin: "http://" + b.many.admin})
	e, err := client.Event(b.ctx, adminapi.EventRef{ID: fmt.Sprintf("evt_400240101%015d", b.rows/2)})
	if err != nil {
		return nil, nil, fmt.Errorf("an event in the middle of the ledger: %w", err)
	}
	pages = map[string]string{
		"front": "", "events": "events", "delivered": "events?state=delivered", "pending": "events?state=pending", "dead": "events?state=dead", "at risk": "events?at_risk=true",
		"learnt by query": "events?source=query", "held for their amount": "events?reason=amount", "refunds' events": "events?type=refund.succeeded", "of an order": "events?order_no=" + url.QueryEscape(e.OrderNo),
		"of a day": "events?since=2024-01-01&until=2024-01-01", "orders": "orders", "refunded orders": "orders?status=refunded", "charges": "charges", "held charges": "charges?status=held",
		"charges by alipay_qr": "charges?channel=alipay_qr", "refunds": "refunds", "audit": "audit", "runs": "runs",
		"an order": "order?order_no=" + url.QueryEscape(e.OrderNo), "an event": "event?id=" + url.QueryEscape(e.ID),
	}
	searches = make(map[string]string)
	for what, text := range map[string]string{"order": e.OrderNo, "event": e.ID, "charge": e.Charge, "nothing": "4200002400202601010000000000"} {
		searches[what] = "find?q=" + url.QueryEscape(text)
	}
	return pages, searches, nil
}

// open reads a page to its end, and says how long that took.
func (b *bench) open(page string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := time.Since(start)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound { // a search finds nothing
		err = fmt.Errorf("%s was answered %s %.300s", page, resp.Status, text)
	}
	return took, err
}

// watched measures how many webhooks are taken while the front page is open in a console, and while it is not, in turns.
func (b *bench) watched() error {
	rates := make(map[bool][]float64)
	for round := range 2 * b.rounds {
		open := round%2 != round/2%2 // neither is always the first
		end := func() error { return nil }
		if open {
			end = b.watch()
		}
		r, err := b.flood("many", b.many.addr, b.round())
		if failed := end(); err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
		b.many.backend.drain(20 * time.Second)
		rates[open] = append(rates[open], r.rate())
	}
	b.report.compare("accept while the console is open", rates[true], "/s", "without", rates[false], target{least: 0.95}, "")
	return nil
}

// watch keeps the front page fresh until the end, as a browser does, and reads it once more then.
func (b *bench) watch() (end func() error) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			_, err := b.open("http://" + b.many.addr + "/console/")
			select {
			case <-stop:
				done <- err
				return
			case <-time.After(refreshes):
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return func() error { close(stop); return <-done }
}
