package adminapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	limitDefault = 50
	limitMost    = 1000
)

// Part says which part of a list is wanted; what is empty leaves nothing out.
type Part struct {
	App    string `query:"app"`                    // app_…; both app and mode, or neither: all of the running sites
	Mode   string `query:"mode"`                   // live or test
	Since  string `query:"since"`                  // a time, a day, or how long ago: 2h
	Until  string `query:"until"`                  // likewise; what is older
	Cursor string `query:"cursor"`                 // the member next of the page before; absent: the first page
	Limit  int    `query:"limit" want:"1 to 1000"` // rows of a page, 1 to 1000; not given: 50
}

// Listing is what every page of a list has beside its rows.
type Listing struct {
	Next   string      `json:"next,omitempty"`   // pass it as cursor for the next page; absent on the last. A page with fewer rows than asked for, or none, may have one
	Paused []PauseView `json:"paused,omitempty"` // the apps and modes of the list whose delivery is paused
}

func badLimit(text string) error {
	return refuse(http.StatusBadRequest, "limit must be 1 to %d, not %q", limitMost, text)
}

func badCursor() error {
	return refuse(http.StatusBadRequest, "cursor must be the member next of an answer to the same question")
}

// span is a part in the ledger's terms.
type span struct {
	named        ledger.Scope // zero: all
	since, until time.Time
	cursors      url.Values // by scope; nil: from the beginning. What has none is at its end
	limit        int
}

func (p Part) span(now time.Time) (s span, err error) {
	if s.named, err = scopeOf(p.App, p.Mode); err != nil {
		return s, err
	}
	for _, at := range []struct {
		text, name string
		to         *time.Time
	}{{p.Since, "since", &s.since}, {p.Until, "until", &s.until}} {
		if at.text == "" {
			continue
		}
		if *at.to, err = parseTime(at.text, at.name, now); err != nil {
			return s, refuse(http.StatusBadRequest, "%w", err)
		}
	}
	if s.limit = cmp.Or(p.Limit, limitDefault); s.limit < 1 || s.limit > limitMost {
		return s, badLimit(strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
		if err != nil {
			return s, badCursor()
		}
		if s.cursors, err = url.ParseQuery(string(raw)); err != nil || len(s.cursors) == 0 {
			return s, badCursor()
		}
	}
	return s, nil
}

// listed is a row of a list of several scopes.
type listed[T any] struct {
	ledger.Scope
	row T
}

// list reads a page of the scopes' lists, merged by an order: how many rows of each belong to it is found out first, and then those are
// read that are there at that moment, with the cursor behind them. So nothing is left out or shown twice further on.
func list[T any](ctx context.Context, b *books, p span, order func(a, b *T) int, read func(scope ledger.Scope, cursor string, limit int) (ledger.Page[T], error)) (rows []listed[T], l Listing, err error) {
	next := url.Values{}
	var scopes []ledger.Scope
	for _, scope := range b.scopesOf(p.named) {
		if p.cursors == nil || p.cursors.Has(scope.Key()) {
			scopes = append(scopes, scope)
		}
	}
	take := func(scope ledger.Scope, limit int) error {
		cursor := p.cursors.Get(scope.Key())
		if limit == 0 {
			next.Set(scope.Key(), cursor)
			return nil
		}
		page, err := read(scope, cursor, limit)
		if errors.Is(err, ledger.ErrCursor) {
			return badCursor()
		}
		if err != nil {
			return unread(err)
		}
		for _, row := range page.Rows {
			rows = append(rows, listed[T]{scope, row})
		}
		next.Del(scope.Key())
		if page.Next != "" {
			next.Set(scope.Key(), page.Next)
		}
		return nil
	}
	ordered := func(a, b listed[T]) int { return order(&a.row, &b.row) }
	for _, scope := range scopes {
		if err := take(scope, p.limit); err != nil {
			return nil, l, err
		}
	}
	slices.SortStableFunc(rows, ordered)
	if len(rows) > p.limit {
		shares := make(map[ledger.Scope]int)
		for _, row := range rows[:p.limit] {
			shares[row.Scope]++
		}
		rows = nil
		for _, scope := range scopes {
			if err := take(scope, shares[scope]); err != nil {
				return nil, l, err
			}
		}
		slices.SortStableFunc(rows, ordered)
	}
	if len(next) > 0 {
		l.Next = base64.RawURLEncoding.EncodeToString([]byte(next.Encode()))
	}
	l.Paused, err = b.paused(ctx, b.scopesOf(p.named))
	return rows, l, err
}

// scopeOf returns the scope that is named, or none.
func scopeOf(app, mode string) (ledger.Scope, error) {
	s := ledger.Scope{App: app, Mode: ledger.Mode(mode)}
	if s == (ledger.Scope{}) || s.App != "" && (s.Mode == ledger.Live || s.Mode == ledger.Test) {
		return s, nil
	}
	return s, refuse(http.StatusBadRequest, "give app and mode (live or test) both, or neither")
}

// parseTime reads a time, a day, or how long ago.
func parseTime(text, name string, now time.Time) (time.Time, error) {
	if d, ok := parseAgo(text); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q is neither a time like 2006-01-02T15:04:05Z, a day like 2006-01-02, nor a duration like 2h or 3d", name, text)
}

const daysMost = 36500

// parseAgo reads a duration, in which days may come first.
func parseAgo(text string) (d time.Duration, ok bool) {
	if days, rest, has := strings.Cut(text, "d"); has {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n > 0 && n <= daysMost) { // NaN too
			return 0, false
		}
		if d = time.Duration(n * float64(24*time.Hour)); rest == "" {
			return d, true
		}
		text = rest
	}
	more, err := time.ParseDuration(text)
	return d + more, err == nil && more > 0
}
