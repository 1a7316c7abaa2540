package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/relay/nightly"
)

// list is what a page and a file of many rows show.
type list struct {
	title   string
	heads   []head
	filters []filter
	// read returns a page of rows, and the cursor of the rest. The rows may be fewer than the limit, or none, and there is more nevertheless.
	read func(v *visit, cursor string, limit int) (*rows, error)
	acts *acting // on what it chooses; nil: nothing is
}

// acting is what can be done to all that a list shows.
type acting struct {
	state   string              // the filter that has to be set, and
	actions map[string][]string // what is done to what is in that state
	takes   []string            // the other filters that an action can be told
	hint    string              // says so
}

type rows struct {
	cells  [][]cell
	next   string
	why    string // there are none
	paused bool
}

// filter is a member of a list's address.
type filter struct {
	name, label string
	kind        string   // of its input: text, date or choice
	options     []string // of a choice
}

// head is a column: its name, and in Kind what its cells are.
type head struct{ Name, Kind string }

func (h head) inFile(v *visit) string {
	switch h.Kind {
	case "money":
		return v.t(h.Name) + v.t(" (yuan)")
	case "time":
		return v.t(h.Name) + " (UTC+8)"
	}
	return v.t(h.Name)
}

// cell is a value in a row: as a page shows it, and as a file has it.
type cell struct {
	Text string
	File string // empty: Text
	Link string
	Kind string // state, money, id, time or empty
}

func plainCell(text string) cell  { return cell{Text: text} }
func idCell(text, to string) cell { return cell{Text: text, Link: to, Kind: "id"} }

// stateCell is a state's word; pages show its name in the visitor's language, and so do files.
func (v *visit) stateCell(state string) cell {
	return cell{Text: state, File: v.t(state), Kind: "state"}
}

func moneyCell(fen int64, currency string) cell {
	return cell{Text: price(fen, currency), File: exactly(fen), Kind: "money"}
}

// timeCell is a time in Beijing's zone, which the file's heading names.
func timeCell(t time.Time) cell {
	if t.IsZero() {
		return cell{Kind: "time"}
	}
	return cell{Text: at(t), File: t.In(nightly.China).Format(time.DateTime), Kind: "time"}
}

var (
	period  = []filter{{name: "since", label: "From day", kind: "date"}, {name: "until", label: "Through day", kind: "date"}}
	perPage = 50
)

// since is a day's beginning in Beijing; what is no day is left to the desk: 2h, or a full time.
func (v *visit) since(text string) string { return day(text, 0) }

// until is its end.
func (v *visit) until(text string) string { return day(text, 1) }

func day(text string, more int) string {
	if t, err := time.ParseInLocation(time.DateOnly, text, nightly.China); err == nil {
		return t.AddDate(0, 0, more).Format(time.RFC3339)
	}
	return text
}

// shownFilter is a filter with what the address says.
type shownFilter struct {
	Name, Label, Kind, Value string
	Options                  []string
}

// Values are those of a choice, of which an address may name several.
func (s shownFilter) Values() []string { return strings.Split(s.Value, ",") }

type listView struct {
	Name    string
	Heads   []head
	Rows    [][]cell
	Filters []shownFilter
	Chosen  []shownFilter // that leave something out
	Next    string        // the rest's address
	First   string        // the first page's, from another
	CSV     string
	Why     string
	Paused  bool
	Acts    []shownFilter // actions on all that match: their names and addresses
	CanAct  bool          // once a state is chosen
	Hint    string        // how, until then
}

// list shows a page of one. Every filter stands on the page and in its address.
func (c *Console) list(v *visit, name string, l *list) error {
	cursor := v.q.Get("cursor")
	got, err := l.read(v, cursor, perPage)
	if err != nil {
		return err
	}
	view := &listView{Name: name, Heads: l.heads, Rows: got.cells, Why: got.why, Paused: got.paused, CanAct: l.acts != nil && !c.cfg.ReadOnly}
	chosen := url.Values{}
	for _, f := range l.filters {
		value := strings.Join(v.q[f.name], ",")
		s := shownFilter{f.name, f.label, f.kind, value, f.options}
		view.Filters = append(view.Filters, s)
		if value != "" {
			view.Chosen = append(view.Chosen, s)
			chosen.Set(f.name, value)
		}
	}
	for _, hidden := range []string{"app", "mode"} { // of links that lead here; they show as chosen
		if value := v.q.Get(hidden); value != "" {
			view.Chosen = append(view.Chosen, shownFilter{Name: hidden, Label: map[string]string{"app": "App", "mode": "Mode"}[hidden], Kind: "hidden", Value: value})
			chosen.Set(hidden, value)
		}
	}
	view.CSV = link(name+".csv", chosen)
	if cursor != "" {
		view.First = link(name, chosen)
	}
	if view.CanAct {
		view.Acts, view.Hint = l.acts.on(chosen), l.acts.hint
	}
	if got.next != "" {
		chosen.Set("cursor", got.next)
		view.Next = link(name, chosen)
	}
	return v.render(http.StatusOK, "list", l.title, view, func(p *page) { p.Live = cursor == "" })
}

// on are the actions on all that the filters choose. There are none where an action cannot be told a filter: it would be done to more than is shown.
func (a *acting) on(chosen url.Values) (all []shownFilter) {
	for name := range chosen {
		if name != a.state && !slices.Contains(a.takes, name) {
			return nil
		}
	}
	for _, action := range a.actions[chosen.Get(a.state)] {
		q := url.Values{"action": {action}, "state": {chosen.Get(a.state)}}
		for _, name := range a.takes {
			if chosen.Has(name) {
				q.Set(name, chosen.Get(name))
			}
		}
		all = append(all, shownFilter{Name: "action " + action, Value: link("act", q)})
	}
	return all
}
