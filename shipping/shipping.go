// Package shipping reads what a merchant reports of how something was shipped. The merchant API, the backend's answers to events and the operator's
// command all read it here.
package shipping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/object"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/wechat"
)

// MaxBytes is how long a report may be: it is a report of fifteen parcels at most.
const MaxBytes = 32 << 10

const maxTracked = 128 // bytes of a tracking number

// Error is what is wrong with a report, and what to write instead.
type Error struct {
	Field  string // its member, like type or parcels[0].company; empty: it is no JSON object that can be read
	EN, ZH string
}

func (e *Error) Error() string { return e.EN }

// Parse reads a report in JSON:
//
//	{
//		"type": "express",                   // or local, virtual, pickup
//		"items": "绿茶 250g ×2",              // cut to what WeChat takes; express may say it of each parcel instead
//		"parcels": [{                        // of express alone: 1 to 15
//			"company": "顺丰",               // a name, or WeChat's code
//			"tracking_no": "SF1234567890",
//			"items": "绿茶 250g",            // default: those of the report
//			"contact": "13800001234"         // the receiver's telephone number, for 顺丰 (SF) alone: all but its last digits is hidden here; left out for others
//		}],
//		"complete": false                    // more parcels follow; default: true
//	}
//
// What may be left out may be null too, but for complete. A member that is not one of these, or stands twice, is an error, and so is anything that WeChat would refuse for
// its form. Errors are of the type [*Error], and quote nobody's telephone number.
func Parse(raw []byte) (*ledger.Shipping, error) {
	s, err := parse(raw)
	if e, ok := errors.AsType[*Error](err); ok { // what was written in the wrong place may be one
		return nil, &Error{redact.Contacts(e.Field, false), redact.Contacts(e.EN, false), redact.Contacts(e.ZH, false)}
	}
	return s, err
}

func parse(raw []byte) (*ledger.Shipping, error) {
	if len(raw) > MaxBytes {
		return nil, &Error{"", fmt.Sprintf("The report has %d bytes: write at most %d.", len(raw), MaxBytes), fmt.Sprintf("发货信息共 %d 字节，超过上限 %d 字节。", len(raw), MaxBytes)}
	}
	if !utf8.Valid(raw) {
		return nil, &Error{"", "The report is not in UTF-8: encode it so, not in GBK.", "发货信息不是 UTF-8 编码，请不要使用 GBK 等其他编码。"}
	}
	m, err := read("", raw, "type", "items", "parcels", "complete")
	if err != nil {
		return nil, err
	}
	s := &ledger.Shipping{}
	if s.Type, err = m.kind(); err != nil {
		return nil, err
	}
	if s.Complete, err = m.complete(s.Type); err != nil {
		return nil, err
	}
	if s.Items, err = m.text("items"); err != nil {
		return nil, err
	}
	s.Items = wechat.CutItems(s.Items)
	if s.Parcels, err = m.parcels(s.Type); err != nil {
		return nil, err
	}
	if err := items(s); err != nil {
		return nil, err
	}
	return s, nil
}

// items sees to it that the shipping and each of its parcels say what they hold. A parcel that holds what the shipping says needs not say it.
func items(s *ledger.Shipping) error {
	if s.Items == "" {
		var all []string
		for _, p := range s.Parcels {
			if p.Items == "" {
				all = nil
				break
			}
			if !slices.Contains(all, p.Items) {
				all = append(all, p.Items)
			}
		}
		s.Items = wechat.CutItems(strings.Join(all, "；"))
	}
	if s.Items == "" {
		return &Error{"items", "items is missing: write what was sold, like 绿茶 250g ×2.", "缺少 items：请写明所售商品，例如 绿茶 250g ×2。"}
	}
	for i := range s.Parcels {
		if s.Parcels[i].Items == s.Items {
			s.Parcels[i].Items = ""
		}
	}
	return nil
}

// members are those of an object that stands somewhere in the report.
type members struct {
	at string // what stands before their names
	of map[string]json.RawMessage
}

func read(at string, raw []byte, allowed ...string) (*members, error) {
	of, err := object.Parse(raw)
	if err != nil {
		field, what, was := strings.TrimSuffix(at, "."), "The report", "发货信息"
		if field != "" {
			what, was = field, field
		}
		return nil, &Error{field, what + " is no JSON object in which each member stands once: " + err.Error() + ".", was + " 必须是 JSON 对象，且每个字段只出现一次（" + err.Error() + "）。"}
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if slices.Contains(allowed, name) {
			continue
		}
		field := at + fmt.Sprintf("%.60s", name)
		return nil, &Error{field, fmt.Sprintf("There is no member %.60q here. Allowed are %s.", name, strings.Join(allowed, ", ")),
			fmt.Sprintf("没有 %.60q 字段，允许的字段有：%s。", name, strings.Join(allowed, "、"))}
	}
	return &members{at, of}, nil
}

// get returns a member's JSON; nil when it is left out, or null.
func (m *members) get(name string) json.RawMessage {
	if raw := m.of[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// text returns a string, without white space around it; empty when it is left out.
func (m *members) text(name string) (string, error) {
	raw := m.get(name)
	if raw == nil {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", m.wrong(name, "must be a string, in quotes.", "必须是字符串（带引号）。")
	}
	return strings.TrimSpace(s), nil
}

func (m *members) wrong(name, en, zh string) error {
	return &Error{m.at + name, m.at + name + " " + en, m.at + name + " " + zh}
}

func (m *members) kind() (ledger.ShippingType, error) {
	name, err := m.text("type")
	if err != nil {
		return "", err
	}
	way, ok := wechat.ParseLogistics(name)
	switch {
	case name == "":
		return "", m.wrong("type", "is missing: write express, local, virtual or pickup.", "缺失：请写 express（快递）、local（同城配送）、virtual（虚拟商品）或 pickup（自提）。")
	case !ok:
		return "", m.wrong("type", fmt.Sprintf("cannot be %.60q: write express, local, virtual or pickup.", name),
			fmt.Sprintf("不能是 %.60q：请写 express（快递）、local（同城配送）、virtual（虚拟商品）或 pickup（自提）。", name))
	}
	return ledger.ShippingType(way.String()), nil
}

func (m *members) complete(kind ledger.ShippingType) (bool, error) {
	switch raw := m.of["complete"]; {
	case raw == nil || string(raw) == "true":
		return true, nil
	case string(raw) != "false":
		return false, m.wrong("complete", "must be true or false, without quotes; left out it is true.", "必须是 true 或 false（不带引号）；省略时为 true。")
	case kind != ledger.ShipExpress:
		return false, m.wrong("complete", fmt.Sprintf("cannot be false: %s comes in no parts. Leave it out.", kind), fmt.Sprintf("不能是 false：%s 不能分批，请省略该字段。", kind))
	}
	return false, nil
}

func (m *members) parcels(kind ledger.ShippingType) ([]ledger.Parcel, error) {
	var list []json.RawMessage
	if raw := m.get("parcels"); raw != nil && json.Unmarshal(raw, &list) != nil {
		return nil, m.wrong("parcels", "must be an array of objects, also for a single parcel.", "必须是由对象组成的数组，只有一个包裹时也一样。")
	}
	switch {
	case kind != ledger.ShipExpress && len(list) > 0:
		return nil, m.wrong("parcels", fmt.Sprintf("belongs to express alone: leave it out, or write express in place of %s.", kind),
			fmt.Sprintf("仅用于 express：请省略该字段，或将 %s 改为 express。", kind))
	case kind == ledger.ShipExpress && (len(list) == 0 || len(list) > wechat.MaxParcels):
		return nil, m.wrong("parcels", fmt.Sprintf("has %d parcels: express needs 1 to %d.", len(list), wechat.MaxParcels),
			fmt.Sprintf("包含 %d 个包裹，express 需要 1 到 %d 个。", len(list), wechat.MaxParcels))
	}
	var parcels []ledger.Parcel
	for i, raw := range list {
		one, err := read(fmt.Sprintf("parcels[%d].", i), raw, "company", "tracking_no", "items", "contact")
		if err != nil {
			return nil, err
		}
		p, err := one.parcel()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(parcels, func(o ledger.Parcel) bool { return o.Company == p.Company && o.TrackingNo == p.TrackingNo }) {
			return nil, one.wrong("tracking_no", "stands twice: write each parcel once.", "重复：每个包裹只写一次。")
		}
		parcels = append(parcels, p)
	}
	return parcels, nil
}

func (m *members) parcel() (p ledger.Parcel, err error) {
	if p.Company, err = m.company(); err != nil {
		return p, err
	}
	if p.TrackingNo, err = m.text("tracking_no"); err != nil {
		return p, err
	}
	if !trackable(p.TrackingNo) {
		return p, m.wrong("tracking_no", fmt.Sprintf("is missing or no tracking number: write 1 to %d letters and digits, without spaces.", maxTracked),
			fmt.Sprintf("缺失或不是运单号：请写 1 到 %d 位字母和数字，不含空格。", maxTracked))
	}
	if p.Items, err = m.text("items"); err != nil {
		return p, err
	}
	p.Items = wechat.CutItems(p.Items)
	p.Contact, err = m.contact(p.Company)
	return p, err
}

func trackable(s string) bool {
	return s != "" && len(s) <= maxTracked && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// contact is masked, and left out where the company needs none: with and without it the report is the same.
func (m *members) contact(company string) (string, error) {
	given, err := m.text("contact")
	if err != nil {
		return "", err
	}
	masked := wechat.MaskContact(given)
	switch {
	case given != "" && masked == "":
		return "", m.wrong("contact", "is no telephone number: its last four digits are needed.", "不是电话号码：至少需要末四位数字。")
	case given == "" && wechat.NeedsContact(company):
		return "", m.wrong("contact", "is missing: 顺丰 (SF) needs the receiver's telephone number, of which WeChat gets the last four digits.",
			"缺失：顺丰（SF）需要收件人电话，提交给微信时只保留末四位等必要数字。")
	}
	if !wechat.NeedsContact(company) {
		return "", nil
	}
	return masked, nil
}

func (m *members) company() (string, error) {
	wrote, err := m.text("company")
	if err != nil {
		return "", err
	}
	if wrote == "" {
		return "", m.wrong("company", "is missing: write a name like 圆通, or WeChat's code, like YTO.", "缺失：请写快递公司名称（如 圆通）或微信的编码（如 YTO）。")
	}
	if code, ok := wechat.CompanyCode(wrote); ok {
		return code, nil
	}
	where, wo := wechat.WhereCodes()
	if name, ok := wechat.Uncoded(wrote); ok {
		return "", m.wrong("company", fmt.Sprintf("is %.60s, whose code at WeChat is not known here: %s.", name, where), fmt.Sprintf("为 %.60s，其在微信的编码未知：%s。", name, wo))
	}
	if near, ok := wechat.NearestCompany(wrote); ok {
		return "", m.wrong("company", fmt.Sprintf("%.60q is no express company that we know. Did you mean %s (%s)? Write that, or WeChat's code of another.", wrote, near.Name, near.Code),
			fmt.Sprintf("%.60q 不是已知的快递公司，是否指 %s（%s）？请这样写，或写其他公司在微信的编码。", wrote, near.Name, near.Code))
	}
	var names []string
	for _, c := range wechat.Companies() {
		names = append(names, c.Name)
	}
	return "", m.wrong("company", fmt.Sprintf("%.60q is no express company that we know. Write %s; of another %s.", wrote, strings.Join(names, ", "), where),
		fmt.Sprintf("%.60q 不是已知的快递公司。请写 %s；其他公司%s。", wrote, strings.Join(names, "、"), wo))
}
