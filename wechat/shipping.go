package wechat

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// Logistics is how something reaches its buyer. The numbers are WeChat's.
type Logistics int

// The ways.
const (
	Express Logistics = 1 // parcels with tracking numbers
	Local   Logistics = 2 // delivered within the city
	Virtual Logistics = 3 // nothing is delivered
	Pickup  Logistics = 4 // the buyer fetches it
)

var ways = []string{Express: "express", Local: "local", Virtual: "virtual", Pickup: "pickup"}

// String is the way's name in the merchant API; empty for none.
func (l Logistics) String() string {
	if !l.valid() {
		return ""
	}
	return ways[l]
}

func (l Logistics) valid() bool { return l >= Express && l <= Pickup }

// ParseLogistics reads a way's name: express, local, virtual or pickup.
func ParseLogistics(name string) (Logistics, bool) {
	for l := Express; l <= Pickup; l++ {
		if ways[l] == name {
			return l, true
		}
	}
	return 0, false
}

// Bounds of a report.
const (
	MaxParcels = 15  // of one report
	MaxItems   = 120 // characters that say what a parcel holds, see CutItems
	maxTracked = 128 // bytes of a tracking number
	maxNumber  = 64  // bytes of a contact as it is given
)

// The values of delivery_mode.
const (
	unified = 1
	split   = 2
)

// Shipping is a report of what was sent to a buyer.
type Shipping struct {
	TransactionID string // WeChat's number of the payment
	OpenID        string // the payer's, of the mini program
	Type          Logistics

	// Parcels are 1 to 15 of Express; of every other way it is one that says only what it holds.
	Parcels []Parcel
	// Split says that parcels are, or may be, reported in several calls (分拆发货, Express only): with more than one parcel, and as long as
	// more follow. All calls of a payment have the same: another one is WeChat's one correction.
	Split bool
	// Complete says, where Split, that these are the last parcels. What is not split is always complete.
	Complete bool
}

// Parcel is what is sent at once.
type Parcel struct {
	Company    string // WeChat's code or a name that [CompanyCode] knows
	TrackingNo string
	Items      string // what it holds, like 绿茶 250g ×2; cut by [CutItems]
	Contact    string // the receiver's telephone number, masked by [MaskContact]; 顺丰 (SF) needs one, other companies none
}

// report is the body of upload_shipping_info; the order of its members is that of WeChat's example.
type report struct {
	Key struct {
		Type          int    `json:"order_number_type"`
		TransactionID string `json:"transaction_id"`
	} `json:"order_key"`
	Type     Logistics        `json:"logistics_type"`
	Mode     int              `json:"delivery_mode"`
	Complete *bool            `json:"is_all_delivered,omitempty"`
	List     []reportedParcel `json:"shipping_list"`
	Time     string           `json:"upload_time"`
	Payer    struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

type reportedParcel struct {
	TrackingNo string           `json:"tracking_no,omitempty"`
	Company    string           `json:"express_company,omitempty"`
	Items      string           `json:"item_desc"`
	Contact    *reportedContact `json:"contact,omitempty"`
}

type reportedContact struct {
	Receiver string `json:"receiver_contact"`
}

// byTransaction is the order_number_type of WeChat's own numbers.
const byTransaction = 2

// Check says what is wrong with a report, and what to write instead; nil is nothing. UploadShipping checks too.
func (s Shipping) Check() error {
	_, err := s.report(time.Time{})
	return err
}

// report is what is sent to WeChat at a time.
func (s Shipping) report(now time.Time) (*report, error) {
	switch {
	case !validID(s.TransactionID):
		return nil, errors.New("the payment has no transaction number of WeChat's")
	case !validID(s.OpenID):
		return nil, errors.New("the payment has no payer: an openid of the mini program is needed")
	case !s.Type.valid():
		return nil, errors.New("type is missing: write express, local, virtual or pickup")
	case s.Split && s.Type != Express:
		return nil, fmt.Errorf("%s cannot be reported in parts: only express can", s.Type)
	case !s.Split && len(s.Parcels) != 1:
		return nil, fmt.Errorf("there are %d parcels: write one, or report express in parts", len(s.Parcels))
	case len(s.Parcels) == 0 || len(s.Parcels) > MaxParcels:
		return nil, fmt.Errorf("there are %d parcels: write 1 to %d", len(s.Parcels), MaxParcels)
	}
	r := &report{Type: s.Type, Mode: unified, Time: uploadTime(now)}
	r.Key.Type, r.Key.TransactionID = byTransaction, s.TransactionID
	r.Payer.OpenID = s.OpenID
	if s.Split {
		r.Mode, r.Complete = split, &s.Complete
	}
	for i, p := range s.Parcels {
		entry, err := p.report(s.Type)
		if err != nil {
			return nil, fmt.Errorf("parcel %d: %w", i+1, err)
		}
		r.List = append(r.List, entry)
	}
	return r, nil
}

func (p Parcel) report(kind Logistics) (reportedParcel, error) {
	entry := reportedParcel{Items: CutItems(p.Items)}
	if entry.Items == "" {
		return entry, errors.New("items is empty: write what was sold, like 绿茶 250g ×2")
	}
	if kind != Express {
		if p.Company != "" || p.TrackingNo != "" || p.Contact != "" {
			return entry, fmt.Errorf("%s has neither company, tracking_no nor contact: leave them out, or write express", kind)
		}
		return entry, nil
	}
	code, ok := CompanyCode(p.Company)
	switch {
	case p.Company == "":
		return entry, errors.New("company is missing: write a name like 圆通, or WeChat's code, like YTO")
	case !ok:
		return entry, unknownCompany(p.Company)
	case !printable(p.TrackingNo) || len(p.TrackingNo) > maxTracked:
		return entry, fmt.Errorf("tracking_no is missing or no tracking number: write 1 to %d letters and digits", maxTracked)
	}
	entry.Company, entry.TrackingNo = code, p.TrackingNo
	if p.Contact != "" {
		masked := MaskContact(p.Contact)
		if masked == "" {
			return entry, errors.New("contact is no telephone number: its last four digits are needed")
		}
		entry.Contact = &reportedContact{masked}
	}
	if NeedsContact(code) && entry.Contact == nil {
		return entry, errors.New("contact is missing: 顺丰 (SF) needs the receiver's telephone number, of which WeChat gets the last four digits")
	}
	return entry, nil
}

var beijing = time.FixedZone("UTC+8", 8*60*60)

// uploadTime writes a time as WeChat's own example does.
func uploadTime(t time.Time) string { return t.In(beijing).Format("2006-01-02T15:04:05.000-07:00") }

// CutItems makes what a parcel holds fit for WeChat: white space and what cannot be printed become single spaces, and of more than 120
// characters the first 119 remain, with … behind them. WeChat does not say how it counts, so a character beyond the basic plane, an emoji for
// example, counts as two.
func CutItems(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	n, fits := 0, 0 // units; bytes of what remains if the whole does not
	for i, r := range s {
		if n <= MaxItems-1 {
			fits = i
		}
		n += max(utf16.RuneLen(r), 1)
	}
	if n <= MaxItems {
		return s
	}
	return strings.TrimRight(s[:fits], " ") + "…"
}

// MaskContact hides a telephone number as WeChat wants it: 189****1234, 021-****1234, +86-177****1234. The last four digits stay, and of
// numbers with eleven or more the first three; of a country code only what stands between + and -. It is empty for what has no four digits at
// its end. A masked number stays as it is.
func MaskContact(s string) string {
	if len(s) > maxNumber {
		return ""
	}
	country, local := cutCountry(plainNumber(s))
	n := len(local) - strings.Count(local, "-")
	if n < 4 {
		return ""
	}
	shown := 0 // at the front
	if n >= 11 {
		shown = 3
	}
	var b strings.Builder
	b.WriteString(country)
	if n == 4 {
		b.WriteString("****")
	}
	at := 0
	for _, c := range []byte(local) {
		if c == '-' {
			b.WriteByte(c)
			continue
		}
		last := at >= n-4
		switch {
		case last && c == '*':
			return ""
		case !last && at >= shown:
			c = '*'
		}
		b.WriteByte(c)
		at++
	}
	return b.String()
}

// plainNumber keeps digits, stars and single dashes, and a + at the beginning. Between a number and its extension stands a dash.
func plainNumber(s string) string {
	var b []byte
	for _, c := range s {
		switch {
		case c >= '０' && c <= '９':
			b = append(b, byte('0'+c-'０'))
		case c >= '0' && c <= '9' || c == '*':
			b = append(b, byte(c))
		case len(b) == 0 && (c == '+' || c == '＋'):
			b = append(b, '+')
		case strings.ContainsRune("-－—–#转xX", c) && len(b) > 0 && b[len(b)-1] != '-' && b[len(b)-1] != '+':
			b = append(b, '-')
		}
	}
	return strings.TrimRight(string(b), "-")
}

// cutCountry cuts a country code off, with the dash behind it.
func cutCountry(s string) (country, local string) {
	s, international := strings.CutPrefix(s, "+")
	if !international {
		return "", s
	}
	if local, ok := strings.CutPrefix(s, "86"); ok { // often written without a dash
		return "+86-", strings.TrimLeft(local, "-")
	}
	code, local, dashed := strings.Cut(s, "-")
	if !dashed || len(code) > 3 || strings.Contains(code, "*") {
		return "", s
	}
	return "+" + code + "-", local
}
