package body

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/object"
)

// JSON reads a body that the client has to send as application/json; whether it is JSON, the caller finds out.
func JSON(r *http.Request, limit int, m *Memory) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, problem.New("content_type", nil)
	}
	return Read(r, limit, m)
}

// ReadJSON reads a JSON object that the client has to send as application/json.
func ReadJSON(r *http.Request, limit int, m *Memory) (map[string]json.RawMessage, error) {
	raw, err := JSON(r, limit, m)
	if err != nil {
		return nil, err
	}
	fields, err := object.Parse(raw)
	if err != nil {
		return nil, problem.New("json_invalid", err)
	}
	return fields, nil
}
