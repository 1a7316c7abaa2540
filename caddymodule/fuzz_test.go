package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// fixtures are the fixtures' Caddyfiles that have a word in them.
func fixtures(f *testing.F, word string) {
	files, err := filepath.Glob("testdata/adapt/*.caddytest")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if input, _, _ := strings.Cut(string(raw), fixtureRule); strings.Contains(input, word) {
			f.Add(input)
		}
	}
}

// FuzzPay is about sites with a pay block.
func FuzzPay(f *testing.F) {
	fixtures(f, "pay {")
	fixtures(f, "pay /")
	f.Fuzz(adaptsWhole)
}

// FuzzSandbox is about sites with a pay_sandbox block.
func FuzzSandbox(f *testing.F) {
	fixtures(f, "pay_sandbox")
	f.Add(":80 {\n\tpay_sandbox {\n\t\ttime_scale +Inf\n\t}\n}\n")
	f.Fuzz(adaptsWhole)
}

// FuzzGlobal is about the inside of the global option.
func FuzzGlobal(f *testing.F) {
	for _, block := range []string{"", "ledger sqlite", "ledger sqlite /var/lib/pay/ledger.db\n\tretention 400d", "ledger postgres x", "retention 106751d23h47m", "retention -1s", "ledger sqlite {env.LEDGER} {\n}"} {
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block string) { adaptsWhole(t, "{\n\tpay {\n\t"+block+"\n\t}\n}\n") })
}

// adaptsWhole adapts a Caddyfile. It may be refused; what becomes JSON has to say what our modules read of it, all of it.
func adaptsWhole(t *testing.T, file string) {
	if strings.Contains(file, "import") {
		return // whatever files there are on this machine are not to be read
	}
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return
	}
	var cfg caddy.Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	var all any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if app, ok := cfg.AppsRaw["pay"]; ok {
		sameAgain(t, app, new(App))
	}
	eachHandler(all, func(name string, handler map[string]any) {
		delete(handler, "handler")
		one, err := json.Marshal(handler)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "pay":
			sameAgain(t, one, new(Handler))
		case "pay_sandbox":
			sameAgain(t, one, new(Sandbox))
		}
	})
	if strings.Contains(string(raw), `"handle":[null`) {
		t.Errorf("a handler is lost:\n%s", raw)
	}
}

// eachHandler finds our handlers wherever they are.
func eachHandler(v any, found func(name string, handler map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			eachHandler(inner, found)
		}
	case map[string]any:
		for _, inner := range v {
			eachHandler(inner, found)
		}
		if name, ok := v["handler"].(string); ok && (name == "pay" || name == "pay_sandbox") {
			found(name, v)
		}
	}
}

// sameAgain reads a module's JSON and writes it again.
func sameAgain(t *testing.T, raw []byte, module any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(module); err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	again, err := json.Marshal(module)
	if err != nil {
		t.Fatal(err)
	}
	var first, second any
	if err := json.Unmarshal(raw, &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &second); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("%s\nbecomes\n%s", raw, again)
	}
}
