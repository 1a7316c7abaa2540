package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddypay/caddypay/pingpp"
)

// ofPayer is how many charges one payer makes: no more than the limit lets stay open by default.
const ofPayer = 10

// charges measures what of the time to create a charge is our own: all but the answers of the backend and of Ping++. Between two
// charges comes what cannot be saved: one RSA signature, and two commits to the floor's log.
func (b *bench) charges() error {
	log, err := newAppendLog(b.file("commits.log"))
	if err != nil {
		return err
	}
	defer log.close()
	entry := bytes.Repeat([]byte("x"), 1200)
	var total, own, least, signing, commits []float64 // the medians of the rounds
	for round := range b.rounds {
		var t struct{ total, own, least, signing, commits []time.Duration }
		var session string
		end := time.Now().Add(b.round())
		for i := 0; i < 5 || i < 500 && time.Now().Before(end); i++ {
			if i%ofPayer == 0 {
				if session, err = b.login(); err != nil {
					return err
				}
			}
			took, others, err := b.charge(session, fmt.Sprintf("C%d%07d", round, i))
			if err != nil {
				return err
			}
			start := time.Now()
			if _, err := pingpp.Sign(b.merchant, entry); err != nil {
				return err
			}
			signed := time.Now()
			for range 2 {
				if err := log.append(entry); err != nil {
					return err
				}
			}
			if round == 0 && i == 0 { // connections, keys and caches are new
				continue
			}
			t.total, t.own, t.least = append(t.total, took), append(t.own, took-others), append(t.least, time.Since(start))
			t.signing, t.commits = append(t.signing, signed.Sub(start)), append(t.commits, time.Since(signed))
		}
		total, own, least = append(total, quantile(t.total, 0.5)), append(own, quantile(t.own, 0.5)), append(least, quantile(t.least, 0.5))
		signing, commits = append(signing, quantile(t.signing, 0.5)), append(commits, quantile(t.commits, 0.5))
	}
	b.report.compare("charge creation, own part, p50", own, "ms", "signature + 2 commits", least, target{most: 2},
		fmt.Sprintf("in all %.2f ms; signature %.2f ms, commits %.2f ms", median(total), median(signing), median(commits)))
	return nil
}

// login makes a session.
func (b *bench) login() (string, error) {
	resp, err := http.Get("http://" + b.few.addr + "/pay/openid?code=" + b.box.NewCode(""))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got struct{ Session string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Session == "" {
		return "", fmt.Errorf("logging in was answered %s (%v)\n%s", resp.Status, err, b.few.log())
	}
	return got.Session, nil
}

// charge creates one, and says how long that took, and how much of it the backend and Ping++ took.
func (b *bench) charge(session, orderNo string) (took, others time.Duration, err error) {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, "http://"+b.few.addr+"/pay/charges",
		strings.NewReader(`{"order_no":"`+orderNo+`","channel":"wx_lite"}`))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", session)
	before := b.outside.took.Load() + b.few.backend.took.Load()
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	took = time.Since(start)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("charge %s was answered %s %.300s", orderNo, resp.Status, body)
	}
	return took, time.Duration(b.outside.took.Load() + b.few.backend.took.Load() - before), err
}

// moveLedger moves a ledger that nobody has open.
func moveLedger(from, to string) error {
	return os.Rename(filepath.Join(from, "ledger.db"), filepath.Join(to, "ledger.db"))
}
