package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// What by may be is what a login has found out. What a client says of itself, or is the same for everybody, is a config error that says
// what to write.
func TestConsoleBy(t *testing.T) {
	dir := t.TempDir()
	for by, want := range map[string]string{
		"{http.auth.user.id}":                              "",
		"{http.auth.user.email}":                           "",
		"{rp.header.remote-user}":                          "",
		`"{rp.header.Remote-User} of {rp.header.Team}"`:    "",
		"{vars.operator}":                                  "",
		"{http.request.header.Remote-User}":                "is what a client says of itself; write {http.reverse_proxy.header.Remote-User}: what the service behind forward_auth has answered",
		"{header.x-auth-request-email}":                    "write {http.reverse_proxy.header.X-Auth-Request-Email}",
		`"{http.auth.user.id} {header.Remote-User}"`:       "is what a client says of itself",
		"{cookie.name}":                                    "is not what a login has found out; write {http.auth.user.id}, or {http.reverse_proxy.header.Remote-User} behind forward_auth",
		"{client_ip}":                                      "is not what a login has found out",
		"{http.vars.trusted_proxy}":                        "is not what a login has found out",
		`\{http.auth.user.id}`:                             "no placeholder, but the same text for everybody; write {http.auth.user.id} without the backslash",
		`"{http.auth.user.email} \{http.auth.user.id\}"`:   "without the backslash",
		"{http.request.tls.client.subject}":                "is not what a login has found out",
		"{env.OPERATOR}":                                   "is not what a login has found out",
		"mark":                                             `"mark" is one name for everybody; write a placeholder that a login sets`,
		"{http.request.header.Remote-User}{rp.header.Any}": "is what a client says of itself",
	} {
		err := validate(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n\tpay_console {\n\t\tby "+by+"\n\t}\n}\n")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pay_console by") || !strings.Contains(err.Error(), "Caddyfile:")) {
			t.Errorf("%s: %v\nwant %s", by, err, want)
		}
	}
}

// Behind forward_auth who acts is whom its service has named, and never whom the client names, whatever headers it sends; where the service
// names nobody, or was not asked, nobody is let in.
func TestConsoleBehindForwardAuth(t *testing.T) {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch cookie, _ := r.Cookie("login"); {
		case cookie == nil:
			w.WriteHeader(http.StatusUnauthorized)
		case cookie.Value == "nameless":
			w.WriteHeader(http.StatusOK)
		default:
			w.Header().Set("Remote-User", cookie.Value)
		}
	}))
	t.Cleanup(login.Close)
	dir, addr := t.TempDir(), freeAddr(t)
	console := func(path, by, more string) string {
		return "\thandle_path " + path + "* {\n" + more + "\t\tpay_console {\n\t\t\tby " + by + "\n\t\t}\n\t}\n"
	}
	auth := func(lines string) string {
		return "\t\tforward_auth " + strings.TrimPrefix(login.URL, "http://") + " {\n\t\t\turi /check\n" + lines + "\t\t}\n"
	}
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+
		console("/ops/", "{rp.header.remote-user}", auth(""))+
		console("/copied/", "{rp.header.Remote-User}", auth("\t\t\tcopy_headers Remote-User\n"))+
		console("/open/", "{rp.header.Remote-User}", "")+
		console("/proxied/", "{vars.operator}", "\t\t@proxy remote_ip 127.0.0.1\n\t\tvars @proxy operator {header.X-Remote-User}\n")+
		console("/passed/", "{vars.operator}", "\t\t@proxy remote_ip 10.0.0.5\n\t\tvars @proxy operator {header.X-Remote-User}\n")+
		console("/both/", `"{rp.header.Remote-User} of {rp.header.Team}"`, auth(""))+"}\n")
	ask := func(method, path, cookie string, form url.Values) (int, string) {
		t.Helper()
		req := must(http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(form.Encode())))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, name := range []string{"Remote-User", "Team", "X-Remote-User"} {
			req.Header.Set(name, "eve")
		}
		if cookie != "" {
			req.AddCookie(&http.Cookie{Name: "login", Value: cookie})
		}
		c := client(t)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp := must(c.Do(req))
		defer resp.Body.Close()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
	}
	for _, tc := range []struct {
		path, cookie string
		status       int
	}{
		{"/ops/", "", 401}, {"/ops/", "mark", 200}, {"/ops/", "nameless", 403}, {"/copied/", "mark", 200}, {"/copied/", "nameless", 403},
		{"/open/", "mark", 403}, {"/both/", "mark", 403}, {"/proxied/", "", 200}, {"/passed/", "", 403},
	} {
		if status, body := ask(http.MethodGet, tc.path, tc.cookie, nil); status != tc.status || status == 403 && !strings.Contains(body, "forward_auth with the option by") {
			t.Errorf("%s for %q: %d %s, want %d", tc.path, tc.cookie, status, body, tc.status)
		}
	}
	pause := url.Values{"app": {"app_test1"}, "mode": {"test"}, "reason": {"moving house"}}
	if status, body := ask(http.MethodPost, "/copied/pause", "mark", pause); status != http.StatusSeeOther {
		t.Fatal(status, body)
	}
	if status, body := ask(http.MethodGet, "/ops/audit", "mark", nil); status != 200 || !strings.Contains(body, "<td>mark</td>") || strings.Contains(body, "eve<") {
		t.Error(fmt.Sprint(status), body)
	}
}
