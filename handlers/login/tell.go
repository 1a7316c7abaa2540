package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/session"
)

// Tell says whom to tell at the merchant's backend that a user has logged in.
type Tell struct {
	Path    string
	Timeout time.Duration
}

const maxLoginAnswer = 64 << 10 // bytes

// loginRequest is what the backend is told of a login.
type loginRequest struct {
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid,omitempty"`
	AppID   string `json:"appid"` // WeChat's
	App     string `json:"app"`   // Ping++'s
	Mode    string `json:"mode"`
}

// tell tells the backend that a user has logged in, so that the shop's own login goes with it: the backend's cookies are set on w, but for
// a guest's page, and its JSON is returned. Both are nothing where no login is configured. When the backend fails, the login code stays good.
func (s *Logins) tell(w http.ResponseWriter, r *http.Request, id session.Identity) (json.RawMessage, error) {
	if s.Tell == nil {
		return nil, nil
	}
	body, err := json.Marshal(loginRequest{id.OpenID, id.UnionID, id.AppID, id.Scope.App, string(id.Scope.Mode)})
	if err != nil {
		return nil, err // of strings, which always encode
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.Tell.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Tell.Path, bytes.NewReader(body))
	if err != nil {
		return nil, problem.New("backend_unavailable", err)
	}
	req.Host, req.RemoteAddr = r.Host, r.RemoteAddr
	s.Backend.Introduce(req.Header, r, id)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.Backend.RoundTrip(req)
	if err != nil {
		return nil, problem.New("backend_unavailable", fmt.Errorf("telling the backend of a login: %w", err))
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, problem.New("backend_unavailable", fmt.Errorf("%w; it must answer 2xx to a login", backend.TurnedAway(resp, http.MethodPost, s.Tell.Path)))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxLoginAnswer+1))
	if err != nil {
		return nil, problem.New("backend_unavailable", fmt.Errorf("reading the backend's answer to a login: %w", err))
	}
	raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	switch {
	case len(raw) > maxLoginAnswer:
		return nil, problem.New("backend_unavailable", fmt.Errorf("the backend's answer to a login is over %d bytes", maxLoginAnswer))
	case len(raw) > 0 && !json.Valid(raw):
		return nil, problem.New("backend_unavailable", errors.New("the backend's answer to a login is not JSON; answer JSON, or nothing"))
	}
	if session.Guest(r) == "" {
		for _, cookie := range resp.Header.Values("Set-Cookie") {
			w.Header().Add("Set-Cookie", cookie)
		}
	}
	return raw, nil
}

// crossSite reports whether a page of another site sent a request. Only browsers say where a request comes from, and only they
// can be made to send one; a mini program's requests name WeChat's own address, which no page can claim to have.
func (s *Logins) crossSite(r *http.Request) bool {
	if ref, err := url.Parse(r.Referer()); err == nil && ref.Scheme == "https" && ref.Host == "servicewechat.com" {
		return false
	}
	if r.Header.Get("Origin") != "" {
		return !s.Visitors.SameOrigin(r)
	}
	switch strings.ToLower(r.Header.Get("Sec-Fetch-Site")) {
	case "", "same-origin", "none":
		return false
	}
	return true
}
