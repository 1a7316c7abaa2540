// Package check is the doctor: it looks at everything that a payment needs, from the keys to the merchant's backend, and says what is wrong, how
// to mend it, and which commands help. The command `caddy pay check`, the console's health page and the texts of alerts all show its findings.
//
// It knows no Caddy: what it looks at is handed in ([Site], [Book], [Shop]).
package check

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// zoned is how a time is written in a sentence.
const zoned = "2006-01-02 15:04:05 -07:00"

// Result is what a check came to.
type Result string

// The results. Unknown is none of the others: what could not be found out is neither well nor bad.
const (
	OK      Result = "ok"
	Fail    Result = "fail"
	Warn    Result = "warn"
	Unknown Result = "unknown"
)

// Mark is how a result is shown: ✓ ✗ ! or ?.
func (r Result) Mark() string {
	switch r {
	case OK:
		return "✓"
	case Fail:
		return "✗"
	case Warn:
		return "!"
	}
	return "?"
}

// Words is a sentence in both languages.
type Words struct{ EN, ZH string }

// In returns the sentence in Chinese for zh and its kin, else in English.
func (w Words) In(language string) string {
	if strings.HasPrefix(strings.ToLower(language), "zh") {
		return w.ZH
	}
	return w.EN
}

// say makes a sentence with the same arguments in both languages.
func say(en, zh string, args ...any) Words {
	if len(args) == 0 {
		return Words{en, zh}
	}
	return Words{fmt.Sprintf(en, args...), fmt.Sprintf(zh, args...)}
}

// Finding is what one check has to say about one site, or about this Caddy as a whole.
type Finding struct {
	ID       string // stable; an anchor in docs/check.md
	Site     string // the site that it is about, as the configuration names it; empty: all
	Result   Result
	Text     Words    // what is so
	Fix      Words    // what to do about it; empty when all is well
	Commands []string // that help and do no harm, to be run as they are
}

// View is a finding in one language, as JSON shows it.
type View struct {
	ID       string   `json:"id"`
	Site     string   `json:"site,omitempty"` // the site that it is about; absent: all
	Result   Result   `json:"result"`         // ok, fail, warn or unknown
	Text     string   `json:"text"`
	Fix      string   `json:"fix,omitempty"`
	Commands []string `json:"commands"` // safe to run as they are; may be empty
	Docs     string   `json:"docs"`     // the page and its anchor; `caddy pay check --explain <id>` shows it without a network
}

// View returns the finding in a language.
func (f Finding) View(language string) View {
	page := "docs/check.md"
	if strings.HasPrefix(strings.ToLower(language), "zh") {
		page = "docs/check.zh-CN.md"
	}
	commands := f.Commands
	if commands == nil {
		commands = []string{}
	}
	return View{f.ID, f.Site, f.Result, f.Text.In(language), f.Fix.In(language), commands, page + "#" + f.ID}
}

// Report is all that was found, in one language.
type Report struct {
	Result   Result    `json:"result"`      // the worst: fail, then unknown, then warn, then ok
	At       time.Time `json:"at,omitzero"` // when the last of it was found; absent of a trial of the backend
	Findings []View    `json:"findings"`
}

// NewReport puts findings together, the worst first within each site's.
func NewReport(findings []Finding, language string) Report {
	r := Report{Result: OK, Findings: []View{}}
	for _, f := range findings {
		r.Findings = append(r.Findings, f.View(language))
		if rank(f.Result) < rank(r.Result) {
			r.Result = f.Result
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b View) int { return rank(a.Result) - rank(b.Result) })
	return r
}

func rank(r Result) int { return slices.Index([]Result{Fail, Unknown, Warn, OK}, r) }

// Exit is the exit code of a command that shows the report: 0 all is well, 2 there are warnings only, 1 something failed, 3 something could not
// be found out (and nothing failed).
func (r Report) Exit() int {
	switch r.Result {
	case OK:
		return 0
	case Warn:
		return 2
	case Fail:
		return 1
	}
	return 3
}
