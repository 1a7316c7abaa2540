package events

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
func (es *Events) SetWebhooks(urls ...string) { es.sender.setURLs(&es.sender.urls.both, urls) }

// SetLiveWebhooks changes where later events of live mode go beside.
func (es *Events) SetLiveWebhooks(urls ...string) { es.sender.setURLs(&es.sender.urls.live, urls) }

// SetTestWebhooks changes where later events of test mode go beside.
func (es *Events) SetTestWebhooks(urls ...string) { es.sender.setURLs(&es.sender.urls.test, urls) }

func (s *sender) setURLs(to *[]string, urls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = slices.Clone(urls)
}
