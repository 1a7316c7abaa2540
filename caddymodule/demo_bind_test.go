package caddymodule

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// The demo's page pays and breaks the shop, for whoever sits at this machine: its neighbours on the network do not reach it.
func TestDemoListensOnLoopback(t *testing.T) {
	file := regexp.MustCompile(`\{[A-Z]+\}`).ReplaceAllString(strings.NewReplacer("{PORT}", "8443", "{SHOP}", "127.0.0.1:1", "{PAGE}", "127.0.0.1:1").Replace(demoCaddyfile), "x")
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Listen []string }
			}
		}
	}
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Apps.HTTP.Servers) == 0 {
		t.Fatalf("no server in %s", adapted)
	}
	for name, srv := range config.Apps.HTTP.Servers {
		for _, listen := range srv.Listen {
			if !strings.HasPrefix(listen, "127.0.0.1:") {
				t.Errorf("%s listens on %s", name, listen)
			}
		}
	}
}
