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

// charges measures what of the time to create a charge is our own: all but the answers of the backend and of Ping++. Between two
// charges comes what cannot be saved: one RSA signature, and two commits to the floor's log.
func (b *bench) charges() error {
	session, err := b.login()
	if err != nil {
		return err
	}
	log, err := newAppendLog(b.file("commits.log"))
	if err != nil {
		return err
	}
	defer log.close()
	entry := bytes.Repeat([]byte("x"), 1200)
	var total, own, signing, commits, least []time.Duration
	end := time.Now().Add(b.settings.time)
	for i := 0; i < 5 || i < 500 && time.Now().Before(end); i++ {
		took, others, err := b.charge(session, fmt.Sprintf("C%08d", i))
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
		if i == 0 { // connections, keys and caches are new
			continue
		}
		total, own = append(total, took), append(own, took-others)
		signing, commits = append(signing, signed.Sub(start)), append(commits, time.Since(signed))
		least = append(least, time.Since(start))
	}
	b.report.compare("charge creation, own part, p50", quantile(own, 0.5), "ms", "signature + 2 commits", quantile(least, 0.5), 0, target{most: 1.5},
		fmt.Sprintf("p95 %.2f ms; in all %.2f ms; signature %.2f ms, commits %.2f ms", quantile(own, 0.95), quantile(total, 0.5), quantile(signing, 0.5), quantile(commits, 0.5)))
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
