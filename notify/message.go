package notify

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/redact"
)

// What a message is about.
const (
	opened = "incident.opened"
	over   = "incident.over"
	summed = "summary"
)

// message is one to one target, as a webhook gets it.
type message struct {
	ID        string     `json:"id"` // the same in every attempt
	Type      string     `json:"type"`
	Time      time.Time  `json:"time"` // when it was found
	Text      string     `json:"text"` // all of it, in the target's language
	Incidents []incident `json:"incidents,omitempty"`
}

// incident is what is wrong of one kind at one site.
type incident struct {
	ID    string    `json:"id"` // of the finding that began it: an anchor in docs/check.md
	Site  string    `json:"site,omitempty"`
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
	Fix   string    `json:"fix,omitempty"`
}

const lineMost = 400 // bytes of one sentence: several incidents find room in one message

func incidentOf(f check.Finding, since time.Time, language string) incident {
	return incident{ID: f.ID, Site: cut(f.Site, 100), Since: since, Text: cut(safe(f.Text.In(language)), lineMost), Fix: cut(safe(f.Fix.In(language)), lineMost)}
}

func openedText(language string, incidents []incident) string {
	var b strings.Builder
	b.WriteString(check.Words{EN: "caddypay: something is wrong", ZH: "caddypay：出现故障"}.In(language))
	b.WriteString(wrong(language, incidents))
	b.WriteString("\n\n" + check.Words{EN: "Details: caddy pay check", ZH: "详情：caddy pay check"}.In(language))
	return b.String()
}

// wrong is what is so, and what to do about it.
func wrong(language string, incidents []incident) string {
	var b strings.Builder
	for _, i := range incidents {
		b.WriteString("\n\n✗ " + i.titled(language))
		if i.Fix != "" {
			b.WriteString("\n→ " + i.Fix)
		}
	}
	return b.String()
}

// overText also says what is left of incidents that are over.
func overText(language string, incidents, left []incident, now time.Time) string {
	var b strings.Builder
	b.WriteString(check.Words{EN: "caddypay: what was wrong is over", ZH: "caddypay：故障已恢复"}.In(language))
	for _, i := range incidents {
		lasted := max(now.Sub(i.Since).Round(time.Minute), time.Minute)
		format := check.Words{EN: "\n\n✓ over after %s: %s", ZH: "\n\n✓ 已恢复，历时 %s：%s"}.In(language)
		fmt.Fprintf(&b, format, strings.TrimSuffix(lasted.String(), "0s"), i.titled(language))
	}
	return b.String() + wrong(language, left)
}

func (i incident) titled(language string) string {
	if i.Site == "" {
		return i.Text
	}
	return i.Site + check.Words{EN: ": ", ZH: "："}.In(language) + i.Text
}

var (
	// What a message never has beside openids, even where a backend's own words quote it: keys, queries, and whatever long thing may be one of them.
	secretLike = regexp.MustCompile(`\b(?:sk_live_|sk_test_|whsec_|SEC)[A-Za-z0-9+/=_-]+|[?&][^\s"'<>]+|\b[A-Za-z0-9+_-]{32,}={0,2}`)
	// Words of somebody else, which may name goods; where a redirect leads is kept.
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// safe is a text in one line without them.
func safe(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	text = quoted.ReplaceAllStringFunc(text, func(q string) string {
		if strings.HasPrefix(q, `"/`) || strings.HasPrefix(q, `"http`) {
			return q
		}
		return `"…"`
	})
	text = redact.OpenIDs(text, func(string) string { return "…" })
	return secretLike.ReplaceAllString(text, "…")
}
