package handlers

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// maxSaid is how much of a backend's refusal is read, and maxShown how much of that is shown; bytes.
const (
	maxSaid  = 2 << 10
	maxShown = 160
)

var markup = regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)

// turnedAway says that the backend refused a call and with which words: its status alone tells a missing route from a missing order as little as
// a token that differs from a login page.
func turnedAway(resp *http.Response, method, target string) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid)) // what there is of it
	said := strings.Join(strings.Fields(markup.ReplaceAllString(string(raw), " ")), " ")
	text := "with an empty body"
	if said != "" {
		text = "saying " + excerpt([]byte(said), maxShown)
	}
	return fmt.Errorf("the backend answered %d%s to %s %s, %s", resp.StatusCode, location(resp), method, target, text)
}

// refusedQuote is the problem of an order that the backend does not tell the price of. To a client such an order does not exist; whoever set the
// site up may have named a path that does not, or a token that differs, and would otherwise look for it in vain.
func refusedQuote(resp *http.Response, method, target string) *Problem {
	err := turnedAway(resp, method, target)
	switch resp.StatusCode {
	case http.StatusNotFound:
		err = fmt.Errorf("%w; is that an order that it does not have, or is the path of orders another?", err)
	case http.StatusUnauthorized, http.StatusForbidden:
		err = fmt.Errorf("%w; does it compare X-Pay-Token with this site's backend_token?", err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return problem("backend_unavailable", err)
	}
	p := problem("order_not_found", err)
	p.backend = true
	return p
}

// loud reports whether a problem that is the client's by its status is to be seen by the operator too, who is not to be flooded with it.
func (s *Site) loud(p *Problem, now time.Time) bool {
	if !p.backend {
		return false
	}
	_, ok := s.refusals.allow("backend", now)
	return ok
}
