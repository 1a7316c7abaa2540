// Package object reads JSON objects as every reader of them has to.
package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Parse splits a JSON object into its members. A name that stands twice is refused: two readers of such an object could see two different orders.
func Parse(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // the decoder lets nothing else stand before a colon
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("the member %.40q stands twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}
