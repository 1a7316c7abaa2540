package handlers

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
)

const maxChargeBody = 64 << 10 // bytes

type chargeRequest struct {
	OrderNo string
	Channel string
	Code    string // a login code, in place of a session
}

// createCharge serves POST /pay/charges: it answers Ping++'s charge byte for byte, 201 when it is new and 200 when an
// earlier attempt is handed out again.
func (s *Site) createCharge(w http.ResponseWriter, r *http.Request) error {
	req, err := s.chargeRequest(w, r)
	if err != nil {
		return err
	}
	c, ok := channels[req.Channel]
	if !ok || !slices.Contains(s.Channels, req.Channel) {
		return problem("channel_unsupported", fmt.Errorf("channel %.40q", req.Channel))
	}
	id, err := s.payer(w, r, c, req.Code)
	if err != nil {
		return err
	}
	if !c.accepts(req.OrderNo) {
		return problem("order_invalid", fmt.Errorf("order_no %.60q: %s takes %d to %d letters and digits", req.OrderNo, req.Channel, c.numberMin, c.numberMax))
	}
	// What has begun is brought to its end even when the client goes away: its next try then finds the charge.
	a := &attempt{
		site: s, channel: c, req: req, id: id, log: s.Logger.With(zap.String("order_no", req.OrderNo), zap.String("channel", req.Channel)),
	}
	charge, created, err := a.run(context.WithoutCancel(r.Context()), r)
	if err != nil {
		s.Count.charge(req.Channel, asProblem(err).Code)
		return err
	}
	s.Count.charge(req.Channel, map[bool]string{true: "created", false: "reused"}[created])
	w.Header().Set("X-Pay-Order-No", charge.OrderNo)
	if !created {
		writeRaw(w, http.StatusOK, charge.Raw)
		return nil
	}
	w.Header().Set("Location", s.Prefix+"/charges/"+charge.ID)
	writeRaw(w, http.StatusCreated, charge.Raw)
	return nil
}

// chargeRequest reads the body. Fields that only the backend or the session may decide are refused, not ignored, so that
// nobody believes they count.
func (s *Site) chargeRequest(w http.ResponseWriter, r *http.Request) (*chargeRequest, error) {
	fields, err := readJSON(w, r, maxChargeBody)
	if err != nil {
		return nil, err
	}
	req := &chargeRequest{}
	into := map[string]*string{"order_no": &req.OrderNo, "channel": &req.Channel, "code": &req.Code}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if to, ok := into[name]; ok {
			if json.Unmarshal(fields[name], to) != nil {
				return nil, problem("json_invalid", fmt.Errorf("%s is not a string", name))
			}
			continue
		}
		if name == "extra" {
			extra, err := parseObject(fields[name])
			if err != nil && string(fields[name]) != "null" {
				return nil, problem("json_invalid", errors.New("extra is not an object"))
			}
			for key := range extra { // no channel of today takes a key from the client
				return nil, forbidden("extra." + key)
			}
			continue
		}
		return nil, forbidden(name)
	}
	return req, nil
}

func forbidden(field string) *Problem {
	field = cut(field, 60)
	return &Problem{Code: "field_forbidden", Members: map[string]any{"field": field}, Cause: fmt.Errorf("the client sent %q", field)}
}

// payer says who pays: the session, else the user whom a login code names, else, where the channel takes no openid, a new anonymous
// visitor.
func (s *Site) payer(w http.ResponseWriter, r *http.Request, c channel, code string) (Identity, error) {
	id, err := s.Identify(r)
	switch {
	case err == nil && (c.payer == "" || c.payer == string(id.Kind)):
		if id.Kind == Anonymous { // whoever goes on paying stays known
			id.Expires = s.expiry()
			err = s.setSession(w, r, id)
		}
		return id, err
	case code != "" && s.WxLite != nil && c.payer != string(WxPub) && (err != nil || id.Kind == Anonymous):
		return s.exchange(r.Context(), WxLite, code)
	case err == nil && id.Kind == Anonymous:
		return Identity{}, problem("session_missing", fmt.Errorf("an anonymous visitor has no openid of %s", c.payer))
	case err == nil:
		return Identity{}, problem("session_invalid", fmt.Errorf("a session of %s cannot pay through a channel of %s", id.Kind, c.payer))
	case c.payer == "" && s.without(r, err):
		return s.newVisitor(w, r)
	}
	return Identity{}, err
}

// extra is what the channel needs: the backend's, with the openid from the session and from nowhere else.
func (a *attempt) extra(q *quote) map[string]any {
	extra := make(map[string]any, len(q.Extra)+1)
	for k, v := range q.Extra {
		extra[k] = v
	}
	if a.channel.payer != "" {
		extra["open_id"] = a.id.OpenID
	}
	return extra
}

// clientIP writes an address as Ping++ takes it: without a zone, and as IPv4 also where a dual-stack socket shows it as IPv6.
func clientIP(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	return ip.Unmap().WithZone("").String()
}
