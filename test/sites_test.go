package test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// Sites of the kinds that people have. pay stands anywhere in them, and its webhooks must get our answers, not the site's.
var sites = []struct {
	name    string
	site    string
	webhook string // default /pay/webhooks
	other   string // a path of the site
	status  int    // of other
	holds   string // in other's body
	header  string // "Name: value" that the site adds to other
}{
	{
		name: "single-page app",
		site: `
https://localhost:<port> {
	root * <dir>/www
	try_files {path} /index.html
	file_server
	<pay>
}`,
		other: "/some/page", status: 200, holds: "the app",
	},
	{
		name: "handle",
		site: `
https://localhost:<port> {
	handle /api/* {
		reverse_proxy <backend>
	}
	handle {
		respond "handled" 200
	}
	<pay>
}`,
		other: "/x", status: 200, holds: "handled",
	},
	{
		name: "handle_path around an app",
		site: `
https://localhost:<port> {
	<pay>
	handle_path /shop/* {
		reverse_proxy <backend>
	}
	handle {
		redir /shop/ 302
	}
}`,
		other: "/shop/cart", status: 200, holds: `"uri":"/cart"`,
	},
	{
		name: "route",
		site: `
https://localhost:<port> {
	route {
		<pay>
		respond "routed" 200
	}
}`,
		other: "/x", status: 200, holds: "routed",
	},
	{
		name: "basic_auth",
		site: `
https://localhost:<port> {
	basic_auth {
		shop $2a$04$rLHO7jNUOqnxQOhqMnt7deLEhSdx8bvD7iE7OAcLlnt4VN.WC7V4a
	}
	<pay>
	reverse_proxy <backend>
}`,
		other: "/x", status: 401,
	},
	{
		name: "handle_errors that answers everything with 200",
		site: `
https://localhost:<port> {
	<pay>
	error /broken 500
	reverse_proxy <backend>
	handle_errors {
		rewrite * /error.html
		respond "sorry" 200
	}
}`,
		other: "/broken", status: 200, holds: "sorry",
	},
	{
		name: "a prefix of its own",
		site: `
https://localhost:<port> {
	<pay /shop/pay>
	reverse_proxy <backend>
}`,
		webhook: "/shop/pay/webhooks",
		other:   "/pay/webhooks", status: 200, holds: `"uri":"/pay/webhooks"`,
	},
	{
		name: "a prefix is whole segments",
		site: `
https://localhost:<port> {
	<pay>
	reverse_proxy <backend>
}`,
		other: "/payment/done", status: 200, holds: `"uri":"/payment/done"`,
	},
	{
		name: "encode, log, header, rewrite, redir",
		site: `
https://localhost:<port> {
	encode gzip zstd
	log
	header X-Frame-Options DENY
	header -Server
	request_header X-Site shop
	rewrite /old /new
	redir /gone /new 308
	<pay>
	reverse_proxy <backend>
}`,
		other: "/old", status: 200, holds: `"uri":"/new"`, header: "X-Frame-Options: DENY",
	},
	{
		name: "uri",
		site: `
https://localhost:<port> {
	<pay>
	uri strip_suffix /
	respond "root" 200
}`,
		other: "/a/", status: 200, holds: "root",
	},
}

func TestSites(t *testing.T) {
	t.Parallel()
	for _, tt := range sites {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, false)
			if err := os.Mkdir(s.file("www"), 0o700); err != nil {
				t.Fatal(err)
			}
			s.write("www/index.html", []byte("<html>the app</html>"))
			s.start(strings.Replace(tt.site, "<pay /shop/pay>", strings.Replace(payBlock, "pay {", "pay /shop/pay {", 1), 1) + "\n")
			path := tt.webhook
			if path == "" {
				path = "/pay/webhooks"
			}
			checkWebhooks(t, s, path)

			other := s.call("GET", tt.other, nil)
			if other.StatusCode != tt.status || !strings.Contains(string(other.Body), tt.holds) {
				t.Errorf("GET %s: %s\nwant %d and %q", tt.other, other, tt.status, tt.holds)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok && other.Header.Get(name) != value {
				t.Errorf("GET %s: %s is %q, want %q", tt.other, name, other.Header.Get(name), value)
			}
		})
	}
}

// checkWebhooks sends webhooks that are right and wrong, and asks for what is not there.
func checkWebhooks(t *testing.T, s *stage, path string) {
	t.Helper()
	good := s.succeeded("S10001")
	if a := s.send(path, good); a.StatusCode != http.StatusOK {
		t.Fatalf("a good webhook: %s", a)
	}
	s.backend.await(t, good.ID, 1)

	forged := s.succeeded("S10002")
	forged.Signature = sign(t, strangerKey, forged.Body)
	checkProblem(t, s.send(path, forged), http.StatusUnauthorized, "signature_invalid")
	forged.Signature = ""
	checkProblem(t, s.send(path, forged), http.StatusUnauthorized, "signature_missing")
	checkProblem(t, s.call("POST", path, forged.Body), http.StatusUnauthorized, "signature_missing")
	checkProblem(t, s.call("GET", path, nil), http.StatusMethodNotAllowed, "method_not_allowed")
	checkProblem(t, s.call("POST", path+"/more", forged.Body), http.StatusNotFound, "not_found")
	checkProblem(t, s.call("GET", strings.TrimSuffix(path, "/webhooks"), nil), http.StatusNotFound, "not_found")

	l := s.ledger()
	if _, err := l.Event(t.Context(), s.scope(), good.ID); err != nil {
		t.Errorf("the good webhook is not in the ledger: %v", err)
	}
	if _, err := l.Event(t.Context(), s.scope(), forged.ID); err == nil {
		t.Error("the forged webhook is in the ledger")
	}
}

// checkProblem looks for one of our errors, as we wrote it.
func checkProblem(t *testing.T, a *answer, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.code() != code || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s: %s (Cache-Control %q)\nwant %d %s", a.Request.Method, a.Request.URL.Path, a, a.Header.Get("Cache-Control"), status, code)
	}
}
