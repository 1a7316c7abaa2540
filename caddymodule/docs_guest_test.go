package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testGuestPage wants a page of another origin to show a code and to wait for a charge alone, and to take nothing but a paid one for paid.
func testGuestPage(t *testing.T, code string) {
	const head = `const kept = new Map(), img = {};
globalThis.sessionStorage = {getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value)};
globalThis.document = {querySelector: () => img};
URL.createObjectURL = (blob) => 'blob of ' + blob.size;
`
	const tail = "\nconsole.log('shown: ' + img.src + ', paid: ' + paid);\n"
	for _, a := range pageAnswers {
		if out, ok, _ := runPage(t, head, code+tail, a.status, a.body); ok || strings.Contains(out, "shown: ") {
			t.Errorf("%s: it goes on: %s", a.name, out)
		}
	}
	for body, paid := range map[string]string{
		`{"id":"ch_1","paid":true}`: "true", `{"id":"ch_1","paid":false}`: "false",
	} {
		out, ok, call := runPage(t, head, code+tail, 200, body)
		if !ok || !strings.Contains(out, "shown: blob of ") || !strings.Contains(out, "paid: "+paid) {
			t.Errorf("%s: %s", body, out)
		}
		if !strings.HasPrefix(call, "GET /pay/charges/ch_1?wait=25s ") {
			t.Errorf("%s: called at last was %s", body, call)
		}
	}
}

// runPage runs a page's module, with what stands for the browser before it, against a site that answers each call in one way, and returns the last call.
func runPage(t *testing.T, head, code string, status int, body string) (out string, ok bool, call string) {
	t.Helper()
	site := newSnippetSite(t, status, body)
	file := filepath.Join(t.TempDir(), "page.mjs")
	if err := os.WriteFile(file, []byte(head+strings.ReplaceAll(code, "https://shop.example.com", site.url)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, ok = runSnippet(t, site.url, site.url, "node", file)
	return out, ok, site.call
}
