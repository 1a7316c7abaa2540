package payment

import (
	"strings"

	"github.com/caddypay/caddypay/pingpp/channel"
)

// afterEmoji puts the defaults in place of texts of which nothing is left in a channel that takes no emoji; a subject that has no default is
// the order's number. An order is not unpayable for the name of its goods.
func (d QuoteDefaults) afterEmoji(q *quote, c channel.Channel, orderNo string) {
	named := strings.TrimSpace(q.Subject) != ""
	q.Subject, q.Body = c.WithoutRefused(q.Subject), c.WithoutRefused(q.Body)
	d.fill(q, orderNo)
	if named && c.WithoutRefused(q.Subject) == "" {
		q.Subject = orderNo
	}
}
