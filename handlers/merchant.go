package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/handlers/problem"
)

// MinMerchantToken is how many characters a token of the merchant API has at least.
const MinMerchantToken = 32

// Merchant says who may use the merchant API: the shop's own backend, which refunds and asks for orders.
type Merchant struct {
	Tokens []string       // any of them is good; two while one is replaced
	Allow  []netip.Prefix // where calls come from

	// Sources returns the addresses that a request may come from, all of which have to be allowed, or why nobody can tell.
	Sources func(*http.Request) ([]string, error)
}

// merchantRoute finds a route of the merchant API.
func (s *Site) merchantRoute(path string) route {
	get, post := http.MethodGet, http.MethodPost
	switch parts := strings.Split(strings.TrimPrefix(path, "/"), "/"); {
	case len(parts) == 1 && parts[0] == "refunds":
		return s.forMerchant("refunds", post, s.createRefund)
	case len(parts) == 2 && parts[0] == "refunds" && parts[1] != "":
		return s.forMerchant("refund", get, func(w http.ResponseWriter, r *http.Request) error { return s.refund(w, r, parts[1]) })
	case len(parts) == 2 && parts[0] == "orders" && parts[1] != "":
		return s.forMerchant("order", get, func(w http.ResponseWriter, r *http.Request) error { return s.order(w, r, parts[1]) })
	case len(parts) == 3 && parts[0] == "charges" && parts[1] != "" && parts[2] == "reverse":
		return s.forMerchant("reverse", post, func(w http.ResponseWriter, r *http.Request) error { return s.reverse(w, r, parts[1]) })
	}
	return route{}
}

// forMerchant is a route that nobody but the merchant's backend may use.
func (s *Site) forMerchant(name, method string, serve func(w http.ResponseWriter, r *http.Request) error) route {
	return route{name, []string{method}, func(w http.ResponseWriter, r *http.Request) error {
		if err := s.Merchant.authorize(r); err != nil {
			return err
		}
		return serve(w, r)
	}}
}

// authorize looks at the address first: whoever calls from elsewhere learns nothing about tokens.
func (m *Merchant) authorize(r *http.Request) error {
	sources, err := m.Sources(r)
	if err != nil {
		return problem.New("source_forbidden", err)
	}
	for _, text := range sources {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return problem.New("source_forbidden", fmt.Errorf("%.60q is no address", text))
		}
		addr = addr.Unmap().WithZone("")
		if !slices.ContainsFunc(m.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return problem.New("source_forbidden", fmt.Errorf("%s is not in allow of merchant_api", addr))
		}
	}
	if len(sources) == 0 {
		return problem.New("source_forbidden", errors.New("the client's address is not known"))
	}
	authorization := r.Header.Values("Authorization")
	if len(authorization) != 1 {
		return problem.New("token_invalid", fmt.Errorf("%d Authorization headers", len(authorization)))
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return problem.New("token_invalid", errors.New("the Authorization header is no bearer token"))
	}
	// Hashes have one length, and every token is compared: the time tells neither which nor how much of it was right.
	given, good := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
	for _, t := range m.Tokens {
		want := sha256.Sum256([]byte(t))
		good |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	if good != 1 {
		return problem.New("token_invalid", errors.New("no token of merchant_api"))
	}
	return nil
}
