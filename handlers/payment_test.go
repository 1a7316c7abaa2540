package handlers

import (
	"fmt"
	"time"
)

// The times and sizes of package payment that tests of the whole router go by.
const (
	askAfter         = 5 * time.Second
	waitPoll         = 2 * time.Second
	settleTime       = time.Minute
	findTime         = 3 * time.Second
	reservationLease = 5 * time.Second
	reservationPoll  = 200 * time.Millisecond
	justPaid         = 5 * time.Minute
	numberTries      = 4
	maxChargeBody    = 64 << 10
	maxQuote         = 64 << 10
	quietZone        = 4
	pngModule        = 8
)

// itsNumber reserves an order's first attempt under the merchant's own number.
func itsNumber(orderNo string) func(attempts, try int) string {
	return func(attempts, try int) string {
		if attempts == 0 && try == 0 {
			return orderNo
		}
		return fmt.Sprintf("%sx%dx%d", orderNo, attempts, try)
	}
}
