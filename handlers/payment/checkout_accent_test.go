package payment

import (
	"regexp"
	"testing"
)

// Whatever a shop's colour is, the words on it and links in it can be read.
func TestAccentCanBeRead(t *testing.T) {
	css := regexp.MustCompile(`--accent-ink: (\S+); --link: (\S+) }`)
	for _, text := range []string{"#000000", "#ffffff", "#ffd400", "#767676", "#777777", "#1f5eff", "#0a7d4b", "#E60012", "#07c160"} {
		c, err := ParseColour(text)
		if err != nil {
			t.Fatal(err)
		}
		found := css.FindAllStringSubmatch(c.style(), -1)
		if len(found) != 2 {
			t.Fatal(c.style())
		}
		for i, card := range []Colour{lightCard, darkCard} {
			ink, err := ParseColour(found[i][1])
			if err != nil || c.contrast(ink) < readable {
				t.Errorf("%s on %s: %.2f, %v", found[i][1], text, c.contrast(ink), err)
			}
			if link, err := ParseColour(found[i][2]); err == nil && link.contrast(card) < readable || err != nil && found[i][2] != "var(--ink)" {
				t.Errorf("a link of %s on %s: %.2f", found[i][2], card, link.contrast(card))
			}
		}
	}
	for _, bad := range []string{"", "#", "0a7d4b", "#0a7", "#0a7d4b00", "#0a7d4g", "green", "#0a7d4b;}", "rgb(0,0,0)", "##0a7d4"} {
		if c, err := ParseColour(bad); err == nil {
			t.Errorf("%q is %s", bad, c)
		}
	}
}
