package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/object"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

const maxChargeBody = 64 << 10 // bytes

type chargeRequest struct {
	OrderNo string
	Channel string
	Code    redact.Secret              // a login code, in place of a session
	Extra   map[string]json.RawMessage // members that the channel takes from a client

	// With allow_client_amount, in place of OrderNo, which is then ours.
	Amount    int64 // fen
	Reference string
}

// CreateCharge serves POST /pay/charges: it answers Ping++'s charge byte for byte, 201 when it is new and 200 when an
// earlier attempt is handed out again.
func (s *Payments) CreateCharge(w http.ResponseWriter, r *http.Request) error {
	req, err := s.chargeRequest(r)
	if err != nil {
		return err
	}
	if !slices.Contains(s.Channels, req.Channel) {
		return problem.New("channel_unsupported", fmt.Errorf("channel %.40q", req.Channel))
	}
	c := channel.Of(req.Channel)
	id, err := s.payer(w, r, c, req.Code.Reveal())
	if err != nil {
		return err
	}
	if err := checkOrderNo(req.OrderNo); err != nil {
		return problem.New("order_invalid", fmt.Errorf("order_no %.80q: %w", req.OrderNo, err))
	}
	if err := s.Budgets.User(id, s.ClientIP(r), s.Now()); err != nil {
		s.Count(req.Channel, problem.As(err).Code)
		return err
	}
	// What has begun is brought to its end even when the client goes away: its next try then finds the charge.
	a := &attempt{
		pay: s, channel: c, req: req, id: id, host: s.Host(r), log: s.Logger.With(zap.String("order_no", req.OrderNo), zap.String("channel", req.Channel),
			zap.String("openid", redact.ShortID(id.Owner()))),
	}
	charge, created, err := a.run(context.WithoutCancel(r.Context()), r)
	if err != nil {
		s.Count(req.Channel, problem.As(err).Code)
		return err
	}
	s.Count(req.Channel, map[bool]string{true: "created", false: "reused"}[created])
	w.Header().Set("X-Pay-Order-No", charge.OrderNo)
	if !created {
		a.log.Info("charge reused", zap.String("charge", charge.ID), zap.String("number", charge.Number), zap.Int64("amount", charge.Amount))
		reply.Raw(w, http.StatusOK, charge.Raw)
		return nil
	}
	w.Header().Set("Location", s.Prefix+"/charges/"+charge.ID)
	reply.Raw(w, http.StatusCreated, charge.Raw)
	return nil
}

// chargeRequest reads the body. Fields that only the backend or the session may decide are refused, not ignored, so that
// nobody believes they count.
func (s *Payments) chargeRequest(r *http.Request) (*chargeRequest, error) {
	fields, err := body.ReadJSON(r, maxChargeBody, &s.Budgets.Bodies)
	if err != nil {
		return nil, err
	}
	req := &chargeRequest{}
	into := map[string]any{"channel": &req.Channel, "code": &req.Code, "extra": &req.Extra}
	if s.ClientAmount == nil {
		into["order_no"] = &req.OrderNo
	} else {
		into["amount"], into["reference"] = &req.Amount, &req.Reference
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		switch to := into[name].(type) {
		case *string, *redact.Secret:
			if json.Unmarshal(value, to) != nil {
				return nil, problem.New("json_invalid", fmt.Errorf("%s is not a string", name))
			}
		case *int64:
			if *to, err = s.ClientAmount.read(value); err != nil {
				return nil, err
			}
		case *map[string]json.RawMessage:
			if *to, err = object.Parse(value); err != nil && string(value) != "null" {
				return nil, problem.New("json_invalid", errors.New("extra is not an object"))
			}
		default:
			return nil, forbidden(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(req.Extra)) {
		if err := channel.Of(req.Channel).ClientMay(name, req.Extra[name]); err != nil {
			return nil, forbiddenSince("extra."+name, err)
		}
	}
	if s.ClientAmount != nil {
		if err := s.ClientAmount.check(req); err != nil {
			return nil, err
		}
		req.OrderNo = s.ClientAmount.orderNo(s.Rand)
	}
	return req, nil
}

func forbidden(field string) *problem.Problem {
	return forbiddenSince(field, errors.New("it is not the client's to send"))
}

func forbiddenSince(field string, cause error) *problem.Problem {
	field = fmt.Sprintf("%.60s", field)
	return &problem.Problem{Code: "field_forbidden", Members: map[string]any{"field": field}, Cause: fmt.Errorf("the client sent %q: %w", field, cause)}
}

// payer says who pays: the session, else the user whom a login code names, else, where the channel takes no openid, a new anonymous
// visitor.
func (s *Payments) payer(w http.ResponseWriter, r *http.Request, c channel.Channel, code string) (session.Identity, error) {
	id, err := s.Visitors.Identify(r)
	switch {
	case err == nil && (c.Payer == "" || c.Payer == string(id.Kind)):
		if id.Kind == session.Anonymous { // whoever goes on paying stays known
			id.Expires = s.Visitors.Expiry()
			err = s.Visitors.Keep(w, r, id)
		}
		return id, err
	case code != "" && s.Login != nil && c.Payer != string(session.WxPub) && (err != nil || id.Kind == session.Anonymous):
		return s.Login(r, code)
	case err == nil && id.Kind == session.Anonymous:
		return session.Identity{}, problem.New("session_missing", fmt.Errorf("an anonymous visitor has no openid of %s", c.Payer))
	case err == nil:
		return session.Identity{}, problem.New("session_invalid", fmt.Errorf("a session of %s cannot pay through a channel of %s", id.Kind, c.Payer))
	case c.Payer == "" && s.Visitors.Unknown(r, err):
		return s.Visitors.New(w, r)
	}
	return session.Identity{}, err
}

// makeExtra is what the channel needs: the backend's, with the openid from the session and from nowhere else.
func (a *attempt) makeExtra(q *quote) (map[string]any, error) {
	extra, err := a.channel.Extra(channel.Given{Quote: q.Extra, URLs: a.pay.ReturnURLs, Client: a.req.Extra, OrderNo: a.req.OrderNo, OpenID: a.id.OpenID})
	if _, missing := errors.AsType[*channel.MissingError](err); missing {
		return nil, problem.New("channel_extra_missing", err)
	}
	if err != nil {
		return nil, problem.New("quote_invalid", err)
	}
	return extra, nil
}

// clientIP writes an address as Ping++ takes it: without a zone, and as IPv4 also where a dual-stack socket shows it as IPv6.
func clientIP(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	return ip.Unmap().WithZone("").String()
}
