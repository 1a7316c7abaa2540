package adminapi

import (
	"bytes"
	"encoding/json"
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
	secretName = regexp.MustCompile(`(?i)^(?:credential|scan_code|auth_code|session_?key|pay_?sign)$`)
)

const (
	hidden     = "…"
	leastPayer = 10 // bytes; shorter ids are shortened only under their own names, since they stand in other words too
)

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
	text = redact.OpenIDs(v.ids(v.members(said)), redact.ShortID)
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

// members goes through a text that is JSON, or the start of some, and changes the strings in it that are not to be read. Everything else stays
// byte for byte.
func (v *veil) members(text string) string {
	var b strings.Builder
	depth, credential := 0, 0 // credential: how deep the object is that nothing is shown of; 0: none
	name := ""
	for i := 0; i < len(text); {
		c := text[i]
		if c == '"' {
			end := endOfString(text, i)
			raw := text[i:end]
			i = end
			if strings.HasPrefix(strings.TrimLeft(text[i:], " \t\r\n"), ":") {
				name, _ = unquoted(raw)
			} else {
				raw = v.value(name, credential > 0, raw)
			}
			b.WriteString(raw)
			continue
		}
		switch c {
		case '{', '[':
			depth++
			if credential == 0 && secretName.MatchString(name) {
				credential = depth
			}
		case '}', ']':
			if depth == credential {
				credential = 0
			}
			depth--
			name = ""
		case ',':
			name = ""
		}
		b.WriteByte(c)
		i++
	}
	return b.String()
}

// value is a string as it is shown, with its quotes.
func (v *veil) value(name string, within bool, raw string) string {
	text, ended := unquoted(raw)
	shown := text
	switch {
	case text == "":
	case within || secretName.MatchString(name):
		shown = hidden
	case payerName.MatchString(name):
		v.know(text)
		shown = redact.ShortID(text)
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["): // JSON in a string
		shown = v.members(text)
	}
	if shown == text {
		return raw
	}
	quoted := quote(shown)
	if !ended {
		return quoted[:len(quoted)-1]
	}
	return quoted
}

// endOfString is the place behind a string that begins at i, or the end of the text.
func endOfString(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// unquoted is what a string says, and whether it ends.
func unquoted(raw string) (text string, ended bool) {
	if json.Unmarshal([]byte(raw), &text) == nil {
		return text, true
	}
	text, ended = strings.CutSuffix(raw[1:], `"`)
	return text, ended
}

// quote leaves <, > and & as they are, as Ping++ does.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

func (v *veil) deliveries(deliveries []ledger.Delivery) []DeliveryView {
	all := make([]DeliveryView, 0, len(deliveries))
	for _, d := range deliveries {
		view := viewDelivery(&d)
		view.Error, _ = v.words(d.Error)
		view.Snippet, view.Shortened = v.words(d.Snippet)
		all = append(all, view)
	}
	return all
}
