package sandbox

import "github.com/caddypay/caddypay/sandbox/pingxx/events"

// State is what the sandbox has seen and done. Lists are newest first.
type State struct {
	App     string         `json:"app"`
	Charges []any          `json:"charges"` // charge objects
	Orders  []any          `json:"orders"`  // order objects
	Events  []EventState   `json:"events"`
	WeChat  []any          `json:"wechat_orders"` // as get_order shows them, with uploads, the reports that changed something, and whether they are known yet
	Calls   map[string]int `json:"calls"`         // per operation; webhook counts tries
	Faults  []FaultState   `json:"faults"`
}

// EventState is an event and its deliveries, one for each webhook URL.
type EventState = events.State

// Attempt is one try of a delivery.
type Attempt = events.Attempt

// Sent is one try of a webhook, and what came back. Answers, and events that a caller of the levers made, may hold any bytes.
type Sent = events.Sent

// FaultState is a fault that has not happened as often as it should.
type FaultState struct {
	On    string `json:"on"`
	Fault string `json:"fault"`
	Times int    `json:"times"`              // left
	Delay int64  `json:"delay_ms,omitempty"` // milliseconds
}

// State returns what the sandbox has seen and done, at most limit charges, and so on.
func (s *Sandbox) State(limit int) State {
	st := State{App: s.cfg.App, Faults: []FaultState{}}
	st.Charges, st.Orders, st.Events = s.pingxx.Trade.Newest(limit)
	st.WeChat = s.weixin.Orders.Newest(limit)
	st.Calls = s.faults.Calls()
	for _, f := range s.faults.Left() {
		st.Faults = append(st.Faults, FaultState{f.On, f.Name, f.Times, f.Delay.Milliseconds()})
	}
	return st
}
