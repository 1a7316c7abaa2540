package shipping

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// IsManaged is is_trade_managed.
func (b *Book) IsManaged(body []byte) (any, int) {
	return b.ofApp(body, func(p Program) any {
		return struct {
			ok
			Managed bool `json:"is_trade_managed"`
		}{fine, p.Managed}
	})
}

// IsConfirmed is is_trade_management_confirmation_completed.
func (b *Book) IsConfirmed(body []byte) (any, int) {
	return b.ofApp(body, func(p Program) any {
		return struct {
			ok
			Completed bool `json:"completed"`
		}{fine, p.Confirmed}
	})
}

func (b *Book) ofApp(body []byte, answer func(Program) any) (any, int) {
	var in struct {
		AppID string `json:"appid"`
	}
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return nil, 47001
	case in.AppID == "":
		return nil, 40097
	case in.AppID != b.cfg.AppID:
		return nil, 40013
	}
	return answer(b.Program()), 0
}

// SetDetailPath is update_order_detail_path.
func (b *Book) SetDetailPath(body []byte) (any, int) {
	return b.setPath(body, func(p *Program, path string) int {
		if !strings.Contains(path, "${商品订单号}") {
			return 10060035
		}
		p.DetailPath = path
		return 0
	})
}

// SetJumpPath is set_msg_jump_path.
func (b *Book) SetJumpPath(body []byte) (any, int) {
	return b.setPath(body, func(p *Program, path string) int {
		p.JumpPath = path
		return 0
	})
}

func (b *Book) setPath(body []byte, set func(*Program, string) int) (any, int) {
	var in struct {
		Path string `json:"path"`
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, 47001
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return fine, set(&b.program, in.Path)
}

// DetailPath is get_order_detail_path.
func (b *Book) DetailPath(body []byte) (any, int) {
	if json.Unmarshal(body, &struct{}{}) != nil {
		return nil, 47001
	}
	return struct {
		ok
		Path string `json:"path"`
	}{fine, b.Program().DetailPath}, 0
}

// Program is what is set for the mini program.
func (b *Book) Program() Program {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.program
}

// Setting changes a Program; what is nil stays.
type Setting struct {
	Managed    *bool   `json:"managed"`
	Confirmed  *bool   `json:"confirmed"`
	Delay      *int64  `json:"delay_ms"` // of later payments
	DetailPath *string `json:"order_detail_path"`
}

// Set changes what is set for the mini program.
func (b *Book) Set(s Setting) (Program, error) {
	if s.Delay != nil && (*s.Delay < 0 || *s.Delay > (24*time.Hour).Milliseconds()) {
		return Program{}, errors.New("delay_ms is out of bounds: write a number from 0 to 86400000")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	replace(&b.program.Managed, s.Managed)
	replace(&b.program.Confirmed, s.Confirmed)
	replace(&b.program.Delay, s.Delay)
	replace(&b.program.DetailPath, s.DetailPath)
	return b.program, nil
}

func replace[T any](old, with *T) {
	if with != nil {
		*old = *with
	}
}

// Change is what a lever does to an order; what is nil stays.
type Change struct {
	State       *int  `json:"order_state"` // 3: the buyer confirms; 4, 5 and 6 as WeChat numbers them
	InComplaint *bool `json:"in_complaint"`
	Known       *bool `json:"known"` // whether WeChat knows the payment by now
}

// Errors of Move, for errors.Is.
var (
	ErrUnknownOrder = errors.New("WeChat has no such payment: write the transaction_no of a paid wx_lite charge of live mode, made while the program was managed")
	ErrNotShipped   = errors.New("the order is not shipped: report its shipping first")
)

// Move does to an order what its buyer or WeChat would do, and returns it.
func (b *Book) Move(transactionNo string, c Change) (any, error) {
	if c.State != nil && (*c.State < confirmed || *c.State > toSettle) {
		return nil, errors.New("order_state is out of bounds: write 3 (confirmed), 4 (done), 5 (refunded) or 6 (to be settled)")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.orders.Get(transactionNo)
	if !ok {
		return nil, ErrUnknownOrder
	}
	b.look(o)
	if c.State != nil && *c.State != refunded && (!o.complete || o.refunded) {
		return nil, ErrNotShipped
	}
	now := b.cfg.Now()
	if c.State != nil {
		o.refunded = o.refunded || *c.State == refunded
		b.move(o, *c.State, now)
	}
	replace(&o.complaint, c.InComplaint)
	if c.Known != nil {
		o.known = now
		if !*c.Known {
			o.known = now.Add(10 * 365 * 24 * time.Hour)
		}
	}
	b.look(o)
	return b.state(o), nil
}

// Newest returns the newest orders, at most limit.
func (b *Book) Newest(limit int) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []any{}
	for o := range b.orders.Newest() {
		if len(out) >= limit {
			break
		}
		b.look(o)
		out = append(out, b.state(o))
	}
	return out
}

// state is an order with what WeChat does not show of it.
func (b *Book) state(o *order) any {
	return struct {
		shownOrder
		Uploads int  `json:"uploads"` // reports that changed something
		Known   bool `json:"known"`   // to WeChat's APIs
	}{b.shown(o), o.uploads, b.program.Managed && !b.cfg.Now().Before(o.known)}
}
