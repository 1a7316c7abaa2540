// Package dice makes the ids, keys and codes of emulated services from one source of randomness.
package dice

import (
	"crypto/rand"
	"io"
	"sync"
	"time"
)

// Alphabets to draw from.
const (
	Digits     = "0123456789"
	HexDigits  = "0123456789abcdef"
	LowerAlnum = "0123456789abcdefghijklmnopqrstuvwxyz"
	Alnum      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + LowerAlnum
)

// Dice draws from a source. It is safe for concurrent use; its lock is taken last.
type Dice struct {
	mu     sync.Mutex // guards source
	source io.Reader
}

// New returns dice over a source that is known to work.
func New(source io.Reader) *Dice { return &Dice{source: source} }

// Draw returns n characters of the alphabet. A source that fails mid-run falls back on crypto/rand, which cannot fail.
func (d *Dice) Draw(alphabet string, n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/2+8)
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := byte(256 - 256%len(alphabet)) // above it, a remainder would favour the first characters; 0 means 256
	for len(out) < n {
		if _, err := io.ReadFull(d.source, buf); err != nil {
			rand.Read(buf)
		}
		for _, b := range buf {
			if (limit == 0 || b < limit) && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// beijing is the clock of the services' numbers.
var beijing = time.FixedZone("UTC+8", 8*60*60)

// Dated writes a time as it stands in the services' numbers, by Beijing's clock.
func Dated(t time.Time, layout string) string { return t.In(beijing).Format(layout) }
