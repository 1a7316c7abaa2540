package shipping

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const express = 1 // the logistics_type whose parcels have numbers

// The values of delivery_mode.
const (
	unified = 1
	split   = 2
)

const (
	maxParcels = 15
	maxID      = 128  // bytes of a number, a company's code and an openid
	maxItems   = 120  // characters
	maxContact = 1024 // bytes
)

// orderKey names a payment.
type orderKey struct {
	Type          int    `json:"order_number_type"`
	TransactionID string `json:"transaction_id"`
	MchID         string `json:"mchid"`
	OutTradeNo    string `json:"out_trade_no"`
}

// report is the body of upload_shipping_info.
type report struct {
	Key          *orderKey `json:"order_key"`
	Kind         int       `json:"logistics_type"`
	Mode         int       `json:"delivery_mode"`
	AllDelivered *bool     `json:"is_all_delivered"`
	List         []struct {
		TrackingNo string   `json:"tracking_no"`
		Company    string   `json:"express_company"`
		Items      string   `json:"item_desc"`
		Contact    *contact `json:"contact"`
	} `json:"shipping_list"`
	UploadTime string `json:"upload_time"`
	Payer      *struct {
		OpenID string `json:"openid"`
	} `json:"payer"`

	at time.Time // UploadTime
}

// Upload is upload_shipping_info.
func (b *Book) Upload(body []byte) (any, int) {
	var r report
	if json.Unmarshal(body, &r) != nil {
		return nil, 47001
	}
	if errcode := r.check(); errcode != 0 {
		return nil, errcode
	}
	return fine, b.enter(&r)
}

// enter enters a report that is well-formed.
func (b *Book) enter(r *report) (errcode int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, errcode := b.byKey(r.Key)
	switch {
	case errcode != 0:
		return errcode
	case o.OpenID != r.Payer.OpenID:
		return 10060031
	case !r.at.After(o.uploaded) || r.at.Before(o.Paid.Truncate(time.Second)):
		return 268485216
	case o.refunded || o.state != toShip && o.state != shipped:
		return 10060004
	}
	return b.apply(o, r)
}

func (b *Book) byKey(key *orderKey) (*order, int) {
	if key.Type == 1 {
		return b.byNumber(key.MchID, key.OutTradeNo)
	}
	return b.byTransaction(key.TransactionID)
}

// apply enters a report of a payment that can be shipped.
func (b *Book) apply(o *order, r *report) (errcode int) {
	complete := r.Mode == unified || *r.AllDelivered
	var list []parcel
	for _, p := range r.List {
		list = append(list, parcel{p.TrackingNo, p.Company, p.Items, r.at.Unix(), p.Contact})
	}
	anew := o.complete || o.uploads > 0 && (o.mode != r.Mode || o.kind != r.Kind)
	known := o.uploads > 0 && o.mode == r.Mode && o.kind == r.Kind && !slices.ContainsFunc(list, func(p parcel) bool { return !o.holds(p) })
	switch {
	case known && complete == o.complete && (!complete || len(list) == len(o.parcels)):
		return 10060023
	case o.complete && !complete:
		return 10060002
	case anew && o.corrected:
		return 10060003
	case anew:
		o.corrected, o.parcels = true, nil
	}
	for _, p := range list {
		if i := slices.IndexFunc(o.parcels, func(have parcel) bool { return have.TrackingNo == p.TrackingNo }); i >= 0 {
			o.parcels[i] = p
			continue
		}
		o.parcels = append(o.parcels, p)
	}
	o.mode, o.kind, o.complete, o.uploaded = r.Mode, r.Kind, complete, r.at
	o.uploads++
	if complete {
		b.move(o, shipped, b.cfg.Now())
	}
	return 0
}

// check says what is wrong with a report, whatever it is about; 0 is nothing.
func (r *report) check() (errcode int) {
	switch key := r.Key; {
	case key == nil || key.Type != 1 && key.Type != 2:
		return 268485194
	case key.Type == 2 && key.TransactionID == "":
		return 268485195
	case key.Type == 1 && key.MchID == "":
		return 268485196
	case key.Type == 1 && !outTradeNo.MatchString(key.OutTradeNo):
		return 268485197
	}
	switch {
	case r.Kind < 1 || r.Kind > 4:
		return 10060005
	case r.Mode != unified && r.Mode != split:
		return 268485224
	case r.Mode == split && r.Kind != express:
		return 10060006
	case r.Mode == split && r.AllDelivered == nil:
		return 10060007
	case r.Mode == unified && len(r.List) != 1:
		return 268485228
	case len(r.List) == 0 || len(r.List) > maxParcels:
		return 10060024
	}
	if errcode := r.checkList(); errcode != 0 {
		return errcode
	}
	at, ok := uploadTime(r.UploadTime)
	switch {
	case !ok:
		return 268485216
	case r.Payer == nil || r.Payer.OpenID == "" || len(r.Payer.OpenID) > maxID:
		return 10060031
	}
	r.at = at
	return 0
}

var (
	outTradeNo  = regexp.MustCompile(`^[0-9A-Za-z_*-]+$`)
	companyCode = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)
)

func (r *report) checkList() (errcode int) {
	for _, p := range r.List {
		switch {
		case r.Kind == express && p.TrackingNo == "":
			return 268485226
		case r.Kind == express && p.Company == "":
			return 268485227
		case len(p.TrackingNo) > maxID:
			return 10060026
		case len(p.Company) > maxID:
			return 10060025
		case strings.TrimSpace(p.Items) == "":
			return 10060008
		case utf8.RuneCountInString(p.Items) > maxItems:
			return 10060009
		case r.Kind == express && !companyCode.MatchString(p.Company):
			return 47001
		case r.Kind == express && p.Company == "SF" && (p.Contact == nil || p.Contact.Consignor == "" && p.Contact.Receiver == ""):
			return 47001
		case p.Contact != nil && (!masked(p.Contact.Consignor) || !masked(p.Contact.Receiver)):
			return 47001
		}
	}
	return 0
}

var lastDigits = regexp.MustCompile(`[0-9][-]?[0-9][-]?[0-9][-]?[0-9]$`)

// masked reports whether a contact can be shown: nobody's whole number, but its last four digits.
func masked(s string) bool {
	return s == "" || len(s) <= maxContact && strings.Contains(s, "*") && lastDigits.MatchString(s)
}

// uploadTime reads RFC 3339, also the offsets without a colon that WeChat was seen to take.
func uploadTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
