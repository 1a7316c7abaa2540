package pingpp

import "encoding/json"

// HasCredential reports whether somebody who gets the charge can pay it: Ping++ empties the credential of what is paid, expired
// or reversed, and may leave it out of lists.
func (c *Charge) HasCredential() bool {
	o, err := parseObject(c.Credential)
	if err != nil {
		return false
	}
	raw := o.get(c.Channel).raw
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) == nil {
		return len(members) > 0
	}
	var text string
	return json.Unmarshal(raw, &text) == nil && text != ""
}
