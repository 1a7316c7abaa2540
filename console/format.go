package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/relay/nightly"
)

// exactly writes fen as yuan: 1234.50.
func exactly(fen int64) string {
	sign := ""
	if fen < 0 {
		sign = "-"
	}
	u := uint64(max(fen, -fen))
	if fen < 0 {
		u = uint64(-(fen + 1)) + 1 // also of the smallest
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}

// grouped writes fen as yuan for people: 1,234.50.
func grouped(fen int64) string {
	text := exactly(fen)
	whole, cents, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	out := ""
	for len(whole) > 3 {
		whole, out = whole[:len(whole)-3], ","+whole[len(whole)-3:]+out
	}
	return sign + whole + out + "." + cents
}

// price is an amount in its currency.
func price(fen int64, currency string) string {
	if currency == "" || currency == "cny" {
		return "¥" + grouped(fen)
	}
	return strings.ToUpper(currency) + " " + grouped(fen)
}

// at shows a time in Beijing's zone, whose day is the bookkeeper's: to the second, with the zone.
func at(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.In(nightly.China).Format("2006-01-02 15:04:05 +08:00")
}

// distance says how far away a time is: in 12 s, 3 min ago.
func distance(lang string, from, to any) string {
	now, ok1 := from.(time.Time)
	then, ok2 := to.(time.Time)
	if !ok1 || !ok2 || then.IsZero() {
		return ""
	}
	d := then.Sub(now)
	ahead := d > 0
	if d < 0 {
		d = -d
	}
	var n string
	switch {
	case d < time.Minute:
		n = strconv.Itoa(int(d.Seconds())) + say(lang, " s")
	case d < 2*time.Hour:
		n = strconv.Itoa(int(d.Minutes())) + say(lang, " min")
	case d < 48*time.Hour:
		n = strconv.Itoa(int(d.Hours())) + say(lang, " h")
	default:
		n = strconv.Itoa(int(d.Hours()/24)) + say(lang, " days")
	}
	if ahead {
		return fmt.Sprintf(say(lang, "in %s"), n)
	}
	return fmt.Sprintf(say(lang, "%s ago"), n)
}

// badge shows a state in its colour and, for who sees none, in its word.
func badge(lang, state string) template.HTML {
	return template.HTML(`<span class="state s-` + template.HTMLEscapeString(state) + `">` + template.HTMLEscapeString(say(lang, state)) + `</span>`)
}

// printable shows what came from outside: characters that show nothing, or that turn the text around them, stand as escapes.
func printable(v any) string {
	var b strings.Builder
	for _, r := range fmt.Sprint(v) {
		if r == '\n' || strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// percent is a share of a whole, cut to a tenth so that what is not all never shows as 100.
func percent(part, whole int64) string {
	tenths := part * 1000 / whole
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// trimmed is what somebody has pasted without the space and the quotes around it.
func trimmed(text string) string {
	return strings.Trim(text, " \t\r\n\u00a0\u3000\"'`“”「」")
}
