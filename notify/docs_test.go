package notify

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// What docs/notify.md shows as a webhook's message has its members, all of them and no others, in both languages.
func TestNotifyPages(t *testing.T) {
	members := func(of reflect.Type) (names []string) {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
		return names
	}
	for _, page := range []string{"../docs/notify.md", "../docs/notify.zh-CN.md"} {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllSubmatch(raw, -1)
		if len(shown) != 1 {
			t.Fatalf("%s shows %d messages", page, len(shown))
		}
		var m message
		var whole map[string]json.RawMessage
		var incidents []map[string]json.RawMessage
		if err := json.Unmarshal(shown[0][1], &m); err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		if json.Unmarshal(shown[0][1], &whole) != nil || json.Unmarshal(whole["incidents"], &incidents) != nil || len(incidents) != 1 {
			t.Fatalf("%s shows %s", page, shown[0][1])
		}
		for _, tt := range []struct {
			of   reflect.Type
			have map[string]json.RawMessage
		}{{reflect.TypeFor[message](), whole}, {reflect.TypeFor[incident](), incidents[0]}} {
			want := members(tt.of)
			for _, name := range want {
				if tt.have[name] == nil {
					t.Errorf("%s does not show %s of %s", page, name, tt.of)
				}
			}
			if len(tt.have) != len(want) {
				t.Errorf("%s shows %d members of %s, which has %d", page, len(tt.have), tt.of, len(want))
			}
		}
		if m.Type != opened || m.Time.IsZero() || m.Incidents[0].Since.IsZero() {
			t.Errorf("%s: %+v", page, m)
		}
	}
}
