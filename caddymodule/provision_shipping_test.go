package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProvisionShipping(t *testing.T) {
	block := goodSite[strings.Index(goodSite, "\tpay {"):strings.LastIndex(goodSite, "}")]
	with := func(lines string) string {
		return strings.Replace(block, "session {", "shipping "+lines+"\n\t\tsession {", 1)
	}
	auto := func(text string) string { return with("{\n\t\t\tauto " + text + "\n\t\t}") }
	two := func(a, b string) string { return "a.example.com {\n" + a + "}\nb.example.com {\n" + b + "}\n" }
	t.Setenv("TEST_ITEMS", "Tickets")
	for _, tc := range []struct{ name, file, want, option string }{
		{"alone", "shop.example.com {\n" + with("") + "}\n", "", ""},
		{"auto", "shop.example.com {\n" + auto(`virtual "{subject} {order_no} {env.TEST_ITEMS}"`) + "}\n", "", ""},
		{"without a mini program", "shop.example.com {\n" + strings.NewReplacer("wx_lite", "wx_pub", "pingpp {", "pingpp {\n\t\t\tchannels wx_pub").Replace(with("")) + "}\n",
			"pay on shop.example.com: shipping: needs the mini program that is paid in: WeChat keeps the money of no other payments; write wechat wx_lite { app_id …  secret … }", "shipping"},
		{"unset text", "shop.example.com {\n" + auto(`pickup "{env.TEST_UNSET}"`) + "}\n", "shipping auto: {env.TEST_UNSET} resolves to nothing", "auto"},
		{"the same twice", two(auto(`pickup "{subject}"`), auto(`pickup "{subject}"`)), "", ""},
		{"one of two", two(auto(`pickup "{subject}"`), block), "", ""},
		{"another type", two(auto(`pickup "{subject}"`), auto(`virtual "{subject}"`)),
			"pay on b.example.com: shipping: the shipping of payments of app_test1 in test mode is already reported in another way on a.example.com (Caddyfile:28); give both sites the same there, or only one of them shipping", "shipping"},
		{"another text", two(auto(`pickup "{subject}"`), auto(`pickup "Tea"`)), "shipping: the shipping of payments of app_test1 in test mode", "shipping"},
		{"auto and none", two(auto(`pickup "{subject}"`), with("")), "shipping: the shipping of payments of app_test1 in test mode", "shipping"},
		{"another secret of the program", two(with(""), strings.Replace(with(""), "Mark0123456789abcdef0123456789ab", "Mark1123456789abcdef0123456789ab", 1)), "wechat wx_lite: the shipping of payments of app_test1", "wechat"},
		{"another program", two(with(""), strings.Replace(with(""), "wx0123456789abcdef", "wx1123456789abcdef", 1)), "", ""},
		{"another app", two(auto(`pickup "{subject}"`), strings.Replace(auto(`pickup "Tea"`), "app_test1", "app_test2", 1)), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := fill(t, dir, globals(dir)+tc.file)
			err := validate(t, file)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v\ndoes not say %q", err, tc.want)
			case tc.want != "" && lineOf(t, file, err) != tc.option:
				t.Errorf("%v\nnames a line that begins with %q", err, lineOf(t, file, err))
			case err != nil && strings.Contains(err.Error(), "Mark"):
				t.Errorf("it tells a secret: %v", err)
			}
		})
	}
}

// A report in JSON is held to what a Caddyfile is.
func TestProvisionShippingJSON(t *testing.T) {
	dir := t.TempDir()
	for shipping, want := range map[string]string{
		`{}`: "",
		`{"auto":{"type":"pickup","items":"Tea"}}`: "",
		`{"auto":{}}`: `shipping auto: takes virtual or pickup, not ""`,
		`{"auto":{"type":"express","items":"Tea"}}`:      "shipping auto: cannot report express",
		`{"auto":{"type":"virtual"}}`:                    "shipping auto: virtual has no text",
		`{"auto":{"type":"virtual","items":"{number}"}}`: "shipping auto: has {number}, which is no placeholder here",
	} {
		raw := string(withoutLines(adapt(t, globals(dir)+"shop.example.com {\n"+payBlock(t, dir, "", "shipping")+"}\n")))
		if !strings.Contains(raw, `"shipping":{}`) {
			t.Fatal(raw)
		}
		err := validateJSON(t, strings.Replace(raw, `"shipping":{}`, `"shipping":`+shipping, 1))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", shipping, err)
		}
	}
}

// All blocks of a live app have the shipping of the one that says so, and of its program one access token; those of other apps, and of test mode, have none.
func TestShippingOfBlocks(t *testing.T) {
	dir := t.TempDir()
	site := func(app, mode string, more ...string) string {
		block := payBlock(t, dir, "", append([]string{"allow_http"}, more...)...)
		return "http://" + freeAddr(t) + " {\n" + strings.NewReplacer("app_test1", app, "sk_test_", "sk_"+mode+"_").Replace(block) + "}\n"
	}
	run(t, globals(dir, ledgerIn(dir))+site("app_1", "live", "shipping")+site("app_1", "live")+site("app_1", "test", "shipping")+site("app_2", "live")+site("app_3", "live", "shipping"))
	_, found := running(t)
	orders := make(map[any]bool)
	for _, h := range found {
		app, mode := h.resolved.Scope.App, string(h.resolved.Scope.Mode)
		if want := mode == "live" && app != "app_2"; h.resolved.Intake.Ships != want {
			t.Errorf("a block of %s in %s mode ships: %v", app, mode, h.resolved.Intake.Ships)
		}
		if h.Shipping != nil {
			orders[h.resolved.Shipping] = true
		}
	}
	if len(found) != 5 || len(orders) != 1 {
		t.Errorf("%d blocks with %d order managements of one mini program", len(found), len(orders))
	}
	const said = "shipping is not reported in test mode"
	if log := string(must(os.ReadFile(filepath.Join(dir, "log")))); strings.Count(log, said) != 1 {
		t.Errorf("the log says %d times that %s", strings.Count(log, said), said)
	}
}

// Where nothing could ever report the shipping of a live app, the start says so.
func TestNoReportsIsSaid(t *testing.T) {
	dir := t.TempDir()
	file := globals(dir, ledgerIn(dir))
	const events, merchant = "upstream 127.0.0.1:1\n\t\tevents POST /events", "merchant_api {\n\t\t\ttoken 0123456789abcdef0123456789abcdef\n\t\t}"
	const word = "upstream 127.0.0.1:1\n\t\tevents POST /events {\n\t\t\texpect body success\n\t\t}"
	const auto = "shipping {\n\t\t\tauto virtual \"{subject}\"\n\t\t}"
	mute := map[string]bool{}
	for i, c := range []struct {
		mute bool
		more []string
	}{
		{true, []string{"shipping"}},
		{true, []string{auto}}, // nobody acknowledges anything
		{true, []string{"shipping", word}},
		{false, []string{"shipping", events}},
		{false, []string{auto, word}},
		{false, []string{"shipping", merchant}},
		{false, []string{merchant}},
	} {
		app := fmt.Sprint("app_", i)
		mute[app] = c.mute
		block := payBlock(t, dir, "", append(c.more, "allow_http")...)
		file += "http://" + freeAddr(t) + " {\n" + strings.NewReplacer("app_test1", app, "sk_test_", "sk_live_").Replace(block) + "}\n"
	}
	run(t, file)
	log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
	for app, want := range mute {
		said := false
		for line := range strings.Lines(log) {
			said = said || strings.Contains(line, "nothing that could report it") && strings.Contains(line, `"app":"`+app+`"`) && strings.Contains(line, `"level":"warn"`)
		}
		if said != want {
			t.Errorf("%s: said %t, want %t", app, said, want)
		}
	}
}
