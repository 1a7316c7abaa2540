package dice

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// What is drawn consists of the alphabet, each of its characters about as often, and is another one each time; also when the source fails.
func TestDraw(t *testing.T) {
	for name, d := range map[string]*Dice{"a source": New(strings.NewReader(strings.Repeat("a source that ends at last", 1000))), "a broken one": New(iotest.ErrReader(errors.New("no more")))} {
		for _, alphabet := range []string{Digits, HexDigits, LowerAlnum, Alnum, Alnum + "+/"} {
			if got := d.Draw(alphabet, 500); len(got) != 500 || strings.Trim(got, alphabet) != "" {
				t.Errorf("%s drew %q of %q", name, got, alphabet)
			}
		}
	}
	d := New(iotest.ErrReader(errors.New("no more")))
	if a, b := d.Draw(Alnum, 24), d.Draw(Alnum, 24); a == b {
		t.Errorf("drew %s twice", a)
	}
	drawn := d.Draw(Digits, 100_000)
	for _, c := range Digits {
		if n := strings.Count(drawn, string(c)); n < 9000 || n > 11_000 {
			t.Errorf("%c was drawn %d times of 100000", c, n)
		}
	}
}
