package sandbox

import "slices"

// webhooks are the URLs that events go to.
type webhooks struct{ both, live, test []string }

// of are those of a mode.
func (w webhooks) of(live bool) []string {
	if live {
		return slices.Concat(w.both, w.live)
	}
	return slices.Concat(w.both, w.test)
}

// SetWebhooks changes where later events of both modes go; deliveries under way keep their URL.
func (s *Sandbox) SetWebhooks(urls ...string) { s.setWebhooks(&s.webhooks.both, urls) }

// SetLiveWebhooks changes where later events of live mode go beside.
func (s *Sandbox) SetLiveWebhooks(urls ...string) { s.setWebhooks(&s.webhooks.live, urls) }

// SetTestWebhooks changes where later events of test mode go beside.
func (s *Sandbox) SetTestWebhooks(urls ...string) { s.setWebhooks(&s.webhooks.test, urls) }

func (s *Sandbox) setWebhooks(to *[]string, urls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = slices.Clone(urls)
}
