package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProvisionWarnings(t *testing.T) {
	block := goodSite[strings.Index(goodSite, "\tpay {"):strings.LastIndex(goodSite, "}")]
	const nested, unsigned, open = "pay stands inside another block", "requests to Ping++ go out unsigned", "orders without backend_token"
	const fpm = "looks like php-fpm, which speaks no HTTP; if it is, write transport fastcgi { root <the shop's folder> split .php } in the upstream block"
	const mode = "env PAY_MODE is live, and pingpp key is of test mode: a backend that compares the two refuses every question; write env PAY_MODE test in the upstream block"
	php := func(env string) string {
		return strings.Replace(goodSite, "legacy:8080", "php:9000 {\n\t\t\ttransport fastcgi {\n\t\t\t\troot /srv/shop\n\t\t\t\t"+env+"\n\t\t\t}\n\t\t}", 1)
	}
	secretOnly := strings.NewReplacer("backend_token token-Mark-0123456789abcdefghijkl\n", "\n", "timeout 15s", "secret whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").Replace(goodSite)
	for _, tc := range []struct {
		name, file string
		want       []string
	}{
		{"as it is", goodSite, nil},
		{"without hosts", ":8080 {\n" + block + "}\n", nil},
		{"without hosts beside another site", ":8080 {\n" + block + "}\nb.example.com:8080 {\n\trespond ok\n}\n", nil},
		{"in a handle", "shop.example.com {\n\thandle {\n" + block + "\t}\n}\n", []string{nested, `"site":"shop.example.com"`}},
		{"in a route", "shop.example.com {\n\troute /x/* {\n" + block + "\t}\n}\n", []string{nested}},
		{"in a handle without hosts", ":8080 {\n\thandle {\n" + block + "\t}\n}\n", []string{nested, `"site":"127.0.0.1:8080"`}},
		{"live and unsigned", strings.NewReplacer("sk_test_", "sk_live_", "signing_key MERCHANT", "").Replace(goodSite), []string{unsigned}},
		{"FPM's socket in HTTP", strings.Replace(goodSite, "legacy:8080", "unix//run/php/php8.2-fpm.sock", 1), []string{fpm, "unix//run/php/php8.2-fpm.sock", `"site":"shop.example.com, www.shop.example.com"`}},
		{"a panel's socket in HTTP", strings.Replace(goodSite, "legacy:8080", "unix//tmp/php-cgi-74.sock", 1), []string{fpm}},
		{"FPM's port in HTTP", strings.Replace(goodSite, "legacy:8080", "legacy:8080 php:9000", 1), []string{fpm, "php:9000"}},
		{"FPM's port, looked up", strings.Replace(goodSite, "legacy:8080", "{\n\t\t\tdynamic a php 9000\n\t\t}", 1), []string{fpm}},
		{"FPM in FastCGI", strings.Replace(goodSite, "legacy:8080", "php:9000 {\n\t\t\ttransport fastcgi {\n\t\t\t\troot /srv/shop\n\t\t\t}\n\t\t}", 1), nil},
		{"FPM of this mode", php("env PAY_MODE test"), nil},
		{"FPM of another mode", php("env PAY_MODE live"), []string{mode, "shop.example.com, www.shop.example.com"}},
		{"FPM whose mode is the shop's own word", php("env PAY_MODE debug"), nil},
		{"another socket", strings.Replace(goodSite, "legacy:8080", "unix//run/shop.sock", 1), nil},
		{"another port", strings.Replace(goodSite, "legacy:8080", "php:19000", 1), nil},
		{"orders without token", secretOnly, []string{open, "shop.example.com, www.shop.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := validate(t, fill(t, dir, globals(dir)+tc.file)); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			log := string(raw)
			for _, want := range tc.want {
				if !strings.Contains(log, want) {
					t.Errorf("the log does not say %q:\n%s", want, log)
				}
			}
			for _, warning := range []string{nested, unsigned, open, fpm, mode} {
				if (len(tc.want) == 0 || tc.want[0] != warning) && strings.Contains(log, warning) {
					t.Errorf("the log says %q:\n%s", warning, log)
				}
			}
			if strings.Contains(log, "Mark") {
				t.Errorf("the log tells a secret:\n%s", log)
			}
		})
	}
}
