package wechat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// An identity is printed and logged with the start of who it is, alone and within what has one; it stays itself.
func TestIdentityIsShownShort(t *testing.T) {
	id := Identity{OpenID: "oMark0123456789", UnionID: "uMark0123456789"}
	for _, v := range []any{id, &id, []Identity{id}, struct{ ID Identity }{id}, map[string]Identity{"a": id}} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.DebugLevel)
		zap.New(core).Info("line", zap.Any("any", v))
		shown := []string{string(raw), fmt.Sprint(logs.All()[0].ContextMap())}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		for _, text := range shown {
			if strings.Contains(text, "Mark0123456789") {
				t.Errorf("%T is shown as %s", v, text)
			}
		}
	}
	if got := id.String(); !strings.Contains(got, "oMark0…") || id.OpenID != "oMark0123456789" {
		t.Errorf("it is shown as %s", got)
	}
}
