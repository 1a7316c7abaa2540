package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/test/powercut"
)

// notes are what those outside know of a recorded run.
type notes struct {
	Scope   ledger.Scope
	Ping    string              // Ping++'s address
	Backend string              // the backend's
	Asked   map[string][]string // what was asked for on each connection, in order: events' ids, and orders' numbers
	Events  map[string]*event   // that were sent, by id
}

// event is one webhook.
type event struct {
	ID, Type string
	Object   string // the id of what it is about
	Charge   string
	Order    string
	Body     []byte
}

// record is a recorded run.
type record struct {
	notes
	dir     string
	moments []powercut.Moment
}

// Below the folder of a record.
const (
	ledgerHome = "disk"             // the folder that the disk has; the ledger's own is made in it
	ledgerFile = "ledger/ledger.db" // below that
	traceFile  = "trace"
	notesFile  = "notes.json"
)

func (r *record) home() string { return filepath.Join(r.dir, ledgerHome) }

func (r *record) file() string { return filepath.Join(r.home(), ledgerFile) }

func (n *notes) write(dir string) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, notesFile), text, 0o600)
}

func readRecord(dir string) (*record, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &record{dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, notesFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.notes); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, traceFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if r.moments, err = powercut.Read(f); err == nil && len(r.moments) == 0 {
		err = errors.New("strace has seen nothing: may processes be traced here?")
	}
	return r, err
}

// complete returns an error unless the calls of the record make the files that there are.
func (r *record) complete() error {
	d := powercut.New(r.home())
	for _, m := range r.moments {
		if err := d.See(m); err != nil {
			return err
		}
	}
	return d.After(nil).Differs(r.home(), func(path string) bool { return path == shared })
}

// witness is what went out, so that it must not be forgotten.
type witness struct {
	what string
	id   string
}

// What goes out.
const (
	acknowledged = "was acknowledged"        // an event
	delivered    = "was sent to the backend" // an event
	asked        = "was asked of Ping++"     // a charge, by its order's number
	answered     = "was answered with a 2xx" // a request for a charge, by the merchant's order number
)

// witnesses reads what goes out in each moment, in the order of the record.
func (r *record) witnesses(see func(i int, w witness)) {
	answers := make(map[string]int) // by connection
	for i, m := range r.moments {
		if m.Name != "write" || m.End || !strings.HasPrefix(m.File, "TCP:[") {
			continue
		}
		text := string(m.Data)
		if status, ok := strings.CutPrefix(text, "HTTP/1.1 "); ok && r.Asked[m.File] != nil {
			n := answers[m.File]
			answers[m.File]++
			if n >= len(r.Asked[m.File]) || !strings.HasPrefix(status, "2") {
				continue
			}
			switch id := r.Asked[m.File][n]; {
			case r.Events[id] != nil:
				see(i, witness{acknowledged, id})
			case id != "": // else a login
				see(i, witness{answered, id})
			}
			continue
		}
		switch to := strings.TrimSuffix(m.File, "]"); {
		case strings.HasSuffix(to, ">"+r.Backend) && strings.HasPrefix(text, "POST "+eventsPath):
			see(i, witness{delivered, header(text, "Webhook-Id: ")})
		case strings.HasSuffix(to, ">"+r.Ping) && strings.HasPrefix(text, "POST /v1/charges "):
			_, rest, _ := strings.Cut(text, `"order_no":"`)
			number, _, _ := strings.Cut(rest, `"`)
			see(i, witness{asked, number})
		}
	}
}

func header(text, name string) string {
	_, rest, _ := strings.Cut(text, "\r\n"+name)
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}
