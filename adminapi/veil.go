package adminapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

// veil stands between the texts that came with a payment and the operators who read them: who paid is shortened as in the logs, and what a
// charge is paid with is left out. Only what is shown goes through it; the ledger and the backend have the bytes as they came.
type veil struct {
	payers []string // whole ids that are known by now; in every later text they are shortened wherever they stand
}

var (
	payerName  = regexp.MustCompile(`(?i)^(?:(?:sub_)?(?:open_?id|union_?id)|buyer_[a-z_]+)$`)
	secretName = regexp.MustCompile(`(?i)^(?:credential|scan_code|auth_code|session_?key|pay_?sign|contact)$`)
)

const leastPayer = 10 // bytes; shorter ids are shortened only under their own names, since they stand in other words too

// know makes an id one that is shortened.
func (v *veil) know(payer string) {
	if len(payer) >= leastPayer && !slices.Contains(v.payers, payer) {
		v.payers = append(v.payers, payer)
	}
}

// body is an event's body as it is shown. What was JSON is JSON.
func (v *veil) body(b []byte) (text string, shortened bool) {
	text = v.ids(v.members(string(b)))
	return text, text != string(b)
}

// words are what a backend said, as they are shown: the start of an answer, which may echo anything and end anywhere.
func (v *veil) words(said string) (text string, shortened bool) {
	text = redact.OpenIDs(v.ids(v.members(redact.Contacts(said, false))), redact.ShortID) // numbers also of answers that were kept before these were masked
	for _, payer := range v.payers {
		for n := len(payer) - 1; n >= leastPayer; n-- {
			if rest, cut := strings.CutSuffix(text, payer[:n]); cut {
				text = rest + redact.ShortID(payer)
			}
		}
	}
	return text, text != said
}

// ids shortens the payers that are known, wherever they stand.
func (v *veil) ids(text string) string {
	for _, payer := range v.payers {
		text = strings.ReplaceAll(text, payer, redact.ShortID(payer))
	}
	return text
}

// members goes through a text that is JSON, or the start of some, and changes what in it is not to be read. Everything else stays byte for byte.
func (v *veil) members(text string) string {
	return redact.Values(text, func(within []string, value string, bare bool) string {
		name := within[len(within)-1]
		switch {
		case !bare && slices.ContainsFunc(within, secretName.MatchString), secretName.MatchString(name), redact.IsContact(name):
			return redact.Hidden
		case payerName.MatchString(name):
			v.know(value)
			return redact.ShortID(value)
		}
		return value
	})
}

// deliveries are the attempts of an event of which so many count.
func (v *veil) deliveries(attempts int, deliveries []ledger.Delivery) []DeliveryView {
	all := make([]DeliveryView, 0, len(deliveries))
	for _, d := range deliveries {
		view := viewDelivery(&d)
		view.Error, _ = v.words(d.Error)
		view.Snippet, view.Shortened = v.words(d.Snippet)
		all = append(all, view)
	}
	for i := range all {
		all[i].Uncounted = !counted(attempts, all, i)
	}
	return all
}

// counted reports whether an attempt of an event counts: one that found the backend unreachable does not, and the next one bears its number. attempts are how
// many of the event's count.
func counted(attempts int, all []DeliveryView, i int) bool {
	if i+1 < len(all) {
		return all[i+1].Attempt > all[i].Attempt
	}
	return all[i].Attempt <= attempts
}
