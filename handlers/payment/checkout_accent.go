package payment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Colour is red, green and blue.
type Colour [3]byte

// ParseColour reads a colour as CSS writes it: #rrggbb.
func ParseColour(text string) (c Colour, err error) {
	digits, ok := strings.CutPrefix(text, "#")
	if raw, err := hex.DecodeString(digits); ok && err == nil && len(raw) == len(c) {
		return Colour(raw), nil
	}
	return c, errors.New(`is no colour; write # and six hexadecimal digits, in quotes: "#0a7d4b"`)
}

func (c Colour) String() string { return fmt.Sprintf("#%x", c[:]) }

// readable is the contrast that text needs (WCAG 2, AA).
const readable = 4.5

// The grounds of the page's card, as checkout.css has them, and the inks that a button's words may have.
var (
	lightCard, darkCard = Colour{0xff, 0xff, 0xff}, Colour{0x19, 0x1c, 0x23}
	white, black        = Colour{0xff, 0xff, 0xff}, Colour{}
)

// style paints the buttons in the shop's colour, whatever it is: their words are white or black, and links have the colour only where
// it can be read on the card.
func (c Colour) style() string {
	ink := white
	if c.contrast(white) < readable {
		ink = black
	}
	link := func(card Colour) string {
		if c.contrast(card) < readable {
			return "var(--ink)"
		}
		return c.String()
	}
	return fmt.Sprintf(":root { --accent: %s; --accent-ink: %s; --link: %s }\n@media (prefers-color-scheme: dark) { :root { --accent: %[1]s; --accent-ink: %[2]s; --link: %[4]s } }\n",
		c, ink, link(lightCard), link(darkCard))
}

// contrast is how well one colour can be read on another, from 1 to 21.
func (c Colour) contrast(other Colour) float64 {
	a, b := c.luminance(), other.luminance()
	return (max(a, b) + .05) / (min(a, b) + .05)
}

func (c Colour) luminance() (sum float64) {
	for i, weight := range [3]float64{.2126, .7152, .0722} {
		v := float64(c[i]) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
