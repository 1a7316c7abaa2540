package payment

import (
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	payer    = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1" // an openid
	stranger = "oBBBBBBBBBBBBBBBBBBBBBBBBBB2"
)

// clock stands still until it is moved.
type clock struct{ unixMilli atomic.Int64 }

func (c *clock) Now() time.Time      { return time.UnixMilli(c.unixMilli.Load()) }
func (c *clock) Add(d time.Duration) { c.unixMilli.Add(d.Milliseconds()) }
