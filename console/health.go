package console

import (
	"net/http"
	"regexp"
	"time"

	"github.com/caddypay/caddypay/check"
)

// How old the findings may be that the health page shows, and that "Look again" takes for new: Ping++, WeChat and the backend are asked no
// more often than that, however many look.
const (
	findingsOld = time.Minute
	findingsNew = 5 * time.Second
)

// healthView is what the checks have found, the worst first.
type healthView struct {
	At     time.Time // when
	Groups []findings
}

// findings are those of one result.
type findings struct {
	Result check.Result
	Mark   string
	Title  string
	List   []finding
}

type finding struct {
	check.View
	Link string // to the page of the documentation
	More string // what that says
}

// manual is where the documentation can be read.
const manual = "https://github.com/caddypay/caddypay/blob/main/"

// health shows what `caddy pay check` finds.
func (c *Console) health(v *visit) error {
	report, err := c.cfg.Desk.Checked(v.ctx, v.lang, findingsOld)
	if err != nil {
		return err
	}
	view := &healthView{At: report.At}
	for _, g := range []findings{{Result: check.Fail, Title: "Wrong"}, {Result: check.Unknown, Title: "Not found out"}, {Result: check.Warn, Title: "To be looked at"}, {Result: check.OK, Title: "Well"}} {
		g.Mark = g.Result.Mark()
		for _, f := range report.Findings {
			if f.Result != g.Result {
				continue
			}
			one := finding{View: f, Link: manual + f.Docs}
			if g.Result != check.OK {
				one.More = inWords(check.Explain(f.ID, v.lang))
			}
			g.List = append(g.List, one)
		}
		if len(g.List) > 0 {
			view.Groups = append(view.Groups, g)
		}
	}
	v.now = c.cfg.Now() // it may have taken a while
	// A page that asked again by itself would ask Ping++ and WeChat all day.
	return v.render(http.StatusOK, "health", "Health", view, func(p *page) { p.Live = false })
}

// look carries out all checks now, unless somebody just did.
func (c *Console) look(v *visit) (string, error) {
	_, err := c.cfg.Desk.Checked(v.ctx, v.lang, findingsNew)
	return "health?done=check", err
}

var markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// inWords is a section of the documentation without what only a browser of Markdown understands.
func inWords(markdown string) string { return markdownLink.ReplaceAllString(markdown, "$1") }
