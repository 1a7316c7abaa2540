package ledger

import "time"

// The times that a ledger keeps. Times from outside may say anything; beyond these no calendar, no JSON and no other program reads
// them. The last leaves room for every time zone.
var (
	FirstTime = time.Unix(1, 0).UTC()
	LastTime  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// Calendar returns t, or the nearest time that a ledger keeps. The zero time, which stands for none, stays.
func Calendar(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return t
	case t.Before(FirstTime):
		return FirstTime
	case t.After(LastTime):
		return LastTime
	}
	return t
}
