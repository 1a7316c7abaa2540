package pingpp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// bought is what makes two charges the same purchase. Number, expiry, client address and description do not.
type bought struct {
	Channel  string
	Amount   int64
	Currency string
	Subject  string
	Body     string
	Extra    any // as encoding/json reads it, so that neither spaces nor the order of members count
	Metadata map[string]string
}

// Fingerprint is a short text that is the same for two charges that buy the same in the same way: through one channel, at one price, with the same
// texts, extra and metadata. It gives nothing of them away.
func (p *ChargeParams) Fingerprint() string {
	extra, err := encodeBody(p.Extra)
	if err != nil {
		return "" // such a charge cannot be created either
	}
	metadata := make(map[string]string, len(p.Metadata))
	for name, value := range p.Metadata {
		text, err := encodeBody(value)
		if err != nil {
			return ""
		}
		metadata[name] = loose(document(text))
	}
	return bought{p.Channel, p.Amount, p.Currency, p.Subject, p.Body, plain(extra), metadata}.fingerprint()
}

// Fingerprint is that of the parameters which the charge was made of, as far as Ping++ gives them back: where a channel adds members to extra, it is
// another.
func (ch *Charge) Fingerprint() string {
	return bought{ch.Channel, ch.Amount, ch.Currency, ch.Subject, ch.Body, plain(ch.Extra), ch.Metadata}.fingerprint()
}

// plain reads an object; null, [] and nothing are an empty one.
func plain(raw json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // 1 and 1.0 may be two things to a channel
	var extra map[string]any
	if dec.Decode(&extra) != nil || extra == nil {
		return map[string]any{}
	}
	return extra
}

func (b bought) fingerprint() string {
	b.Currency = strings.ToLower(b.Currency)
	if b.Metadata == nil {
		b.Metadata = map[string]string{}
	}
	text, err := json.Marshal(b) // members of maps come sorted
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
