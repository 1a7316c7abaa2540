package trade

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/store"
)

// list is one page in Ping++'s shape, newest first.
type list[T any] struct {
	Object  string `json:"object"`
	URL     string `json:"url"`
	HasMore bool   `json:"has_more"`
	Data    []T    `json:"data"`
}

// paging says which page is asked for; of after and before at most one is set.
type paging struct {
	limit         int
	after, before string // ids: starting_after, ending_before
}

// read takes a parameter of any list and reports whether it was one; known tells the ids that a page may be bound by.
func (p *paging) read(name, value, kind string, known func(id string) bool) (taken bool, refusal *apierr.Error) {
	switch name {
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 100 {
			return true, apierr.NotA(name, " 1 到 100 的整数", "an integer from 1 to 100")
		}
		p.limit = n
		return true, nil
	case "starting_after", "ending_before":
		if !known(value) {
			return true, apierr.NotFound(kind, value, name)
		}
		if name == "starting_after" {
			p.after = value
		} else {
			p.before = value
		}
		if p.after != "" && p.before != "" {
			return true, apierr.BadParam("ending_before", "starting_after 与 ending_before 不能同时使用。", "Use either starting_after or ending_before.")
		}
		return true, nil
	}
	return false, nil
}

// readPaging reads the parameters of a list that has no others.
func readPaging(query url.Values, kind string, known func(id string) bool) (paging, *apierr.Error) {
	p := paging{limit: 10}
	for name, values := range query {
		taken, refusal := p.read(name, values[len(values)-1], kind, known)
		if !taken {
			refusal = apierr.UnknownParam(name)
		}
		if refusal != nil {
			return p, refusal
		}
	}
	return p, nil
}

// page takes what matches and tells whether there is more of it beyond. What ends before an object is what is nearest to it.
func page[T any](st *store.Of[T], p paging, matches func(T) bool) (data []T, more bool) {
	walk := st.Older(p.after)
	if p.before != "" {
		walk = st.Newer(p.before)
	}
	for v := range walk {
		if !matches(v) {
			continue
		}
		if len(data) == p.limit {
			more = true
			break
		}
		data = append(data, v)
	}
	if p.before != "" {
		slices.Reverse(data)
	}
	return data, more
}

// List answers GET /v1/charges.
func (cs *Charges) List(query url.Values, live bool) (any, *apierr.Error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	f, refusal := cs.readFilter(query, live)
	if refusal != nil {
		return nil, refusal
	}
	now := cs.now()
	found, more := page(&cs.kept, f.paging, f.matches)
	out := list[*Charge]{Object: "list", URL: "/v1/charges", HasMore: more, Data: []*Charge{}}
	for _, c := range found {
		out.Data = append(out.Data, c.shown(now))
	}
	return out, nil
}

// filter is what a list is asked for.
type filter struct {
	paging
	live     bool
	from, to int64 // created, both inclusive
	channel  string
	flags    map[string]bool // paid, refunded, reversed, where asked
}

func (f *filter) matches(c *Charge) bool {
	if c.Livemode != f.live || c.Created < f.from || c.Created > f.to || f.channel != "" && c.Channel != f.channel {
		return false
	}
	for name, want := range f.flags {
		is := c.Paid
		switch name {
		case "refunded":
			is = c.Refunded
		case "reversed":
			is = c.Reversed
		}
		if is != want {
			return false
		}
	}
	return true
}

func (cs *Charges) readFilter(query url.Values, live bool) (*filter, *apierr.Error) {
	now := cs.now()
	f := &filter{live: live, paging: paging{limit: 10}, from: now.AddDate(0, -1, 0).Unix(), to: 1<<63 - 1, flags: map[string]bool{}}
	if query.Get("app[id]") == "" {
		return nil, apierr.MissingParam("app[id]")
	}
	known := func(id string) bool {
		c, ok := cs.kept.Get(id)
		return ok && c.Livemode == live
	}
	for name, values := range query {
		value := values[len(values)-1]
		var refusal *apierr.Error
		switch name {
		case "app[id]":
			refusal = cs.checkApp(value)
		case "created", "created[gt]", "created[gte]", "created[lt]", "created[lte]":
			refusal = f.readCreated(name, value)
		case "channel":
			f.channel = value
		case "paid", "refunded", "reversed":
			if value != "true" && value != "false" {
				refusal = apierr.NotA(name, " true 或 false", "true or false")
			}
			f.flags[name] = value == "true"
		default:
			var taken bool
			if taken, refusal = f.read(name, value, "charge", known); !taken {
				refusal = apierr.UnknownParam(name)
			}
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if !query.Has("created") && !query.Has("created[gt]") && !query.Has("created[gte]") && (query.Has("created[lt]") || query.Has("created[lte]")) {
		f.from = 0
	}
	return f, nil
}

func (f *filter) readCreated(name, value string) *apierr.Error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return apierr.NotA(name, " Unix 时间戳", "a Unix timestamp in seconds")
	}
	switch strings.TrimPrefix(name, "created") {
	case "":
		f.from, f.to = n, n
	case "[gt]":
		f.from = n + 1
	case "[gte]":
		f.from = n
	case "[lt]":
		f.to = n - 1
	case "[lte]":
		f.to = n
	}
	return nil
}
