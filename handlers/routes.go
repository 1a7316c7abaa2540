package handlers

import (
	"net/http"
	"path"
	"strings"
)

type route struct {
	name    string
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request) error
}

// find is route for a whole path. Of the spellings that Owns takes it knows one more: slashes too many in the webhook's address, which
// somebody has typed into Ping++'s dashboard.
func (s *Site) find(p string) route {
	if below, ok := strings.CutPrefix(p, s.Prefix); ok {
		if rt := s.route(below); rt.serve != nil {
			return rt
		}
	}
	if webhooks := s.Prefix + "/webhooks"; len(p) > len(webhooks) && !strings.Contains(p, "/.") && path.Clean(p) == webhooks {
		return s.route("/webhooks")
	}
	return route{name: "unknown"}
}

// route finds what serves a path below the prefix; one without serve is not there.
func (s *Site) route(below string) route {
	get, post := http.MethodGet, http.MethodPost
	switch {
	case below == "/openid" && s.Login.WxLite != nil:
		if s.Login.Tell != nil {
			return route{"openid", []string{post}, s.Login.Openid}
		}
		return route{"openid", []string{get, post}, s.Login.Openid}
	case below == "/oauth/start" && s.Login.WxPub != nil:
		return route{"oauth", []string{get}, s.Login.OAuthStart}
	case below == "/oauth/callback" && s.Login.WxPub != nil:
		return route{"oauth", []string{get}, s.Login.OAuthCallback}
	case below == "/jssdk" && s.Login.WxPub != nil:
		return route{"jssdk", []string{get}, s.Login.JSSDK}
	case below == "/charges" && (s.Payments.Prices != nil || s.Payments.ClientAmount != nil):
		return route{"charges", []string{post}, s.Payments.CreateCharge}
	case below == "/checkout" && s.Payments.Checkout != nil:
		return route{"checkout", []string{get}, s.Payments.ServeCheckout}
	case below == "/checkout.js" && s.Payments.Checkout != nil:
		return route{"checkout", []string{get}, s.Payments.Checkout.Script}
	case below == "/checkout.css" && s.Payments.Checkout != nil:
		return route{"checkout", []string{get}, s.Payments.Checkout.Style}
	case below == "/webhooks":
		return route{"webhooks", []string{post}, s.Webhooks.Receive}
	}
	if s.Merchant != nil {
		if rt := s.merchantRoute(below); rt.serve != nil {
			return rt
		}
	}
	if rest, ok := strings.CutPrefix(below, "/charges/"); ok {
		id, sub, _ := strings.Cut(rest, "/")
		switch {
		case id == "":
		case sub == "" && rest == id:
			return route{"charge", []string{get}, func(w http.ResponseWriter, r *http.Request) error {
				return s.Payments.Charge(w, r, id)
			}}
		case sub == "qr.svg" || sub == "qr.png":
			return route{"qr", []string{get}, func(w http.ResponseWriter, r *http.Request) error {
				return s.Payments.QR(w, r, id, sub)
			}}
		}
	}
	if rest, ok := strings.CutPrefix(below, "/orders/"); ok {
		if orderNo, sub, _ := strings.Cut(rest, "/"); orderNo != "" && sub == "state" {
			return route{"order_state", []string{get}, func(w http.ResponseWriter, r *http.Request) error {
				return s.Payments.OrderState(w, r, orderNo)
			}}
		}
	}
	return route{name: "unknown"}
}

// merchantRoute finds a route of the merchant API.
func (s *Site) merchantRoute(path string) route {
	get, post := http.MethodGet, http.MethodPost
	switch parts := strings.Split(strings.TrimPrefix(path, "/"), "/"); {
	case len(parts) == 1 && parts[0] == "refunds":
		return s.forMerchant("refunds", s.Merchant.CreateRefund, post)
	case len(parts) == 2 && parts[0] == "refunds" && parts[1] != "":
		return s.forMerchant("refund", func(w http.ResponseWriter, r *http.Request) error { return s.Merchant.Refund(w, r, parts[1]) }, get)
	case len(parts) == 2 && parts[0] == "orders" && parts[1] != "":
		return s.forMerchant("order", func(w http.ResponseWriter, r *http.Request) error { return s.Merchant.Order(w, r, parts[1]) }, get)
	case len(parts) == 3 && parts[0] == "orders" && parts[1] != "" && parts[2] == "shipping" && s.Merchant.Ships:
		return s.forMerchant("shipping", func(w http.ResponseWriter, r *http.Request) error {
			if r.Method == post {
				return s.Merchant.ReportShipping(w, r, parts[1])
			}
			return s.Merchant.Shipping(w, r, parts[1])
		}, get, post)
	case len(parts) == 3 && parts[0] == "charges" && parts[1] != "" && parts[2] == "reverse":
		return s.forMerchant("reverse", func(w http.ResponseWriter, r *http.Request) error { return s.Merchant.Reverse(w, r, parts[1]) }, post)
	}
	return route{}
}

// forMerchant is a route that nobody but the merchant's backend may use.
func (s *Site) forMerchant(name string, serve func(w http.ResponseWriter, r *http.Request) error, methods ...string) route {
	return route{name, methods, func(w http.ResponseWriter, r *http.Request) error {
		if err := s.Merchant.Authorize(r); err != nil {
			return err
		}
		return serve(w, r)
	}}
}
