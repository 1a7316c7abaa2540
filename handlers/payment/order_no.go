package payment

import (
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/caddypay/caddypay/handlers/percent"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// orderNoForm is what a shop may call its orders: characters of ASCII that can be seen, since the number travels in headers and paths too.
var orderNoForm = regexp.MustCompile(`^[!-.0-\[\]-~]{1,64}$`)

// checkOrderNo says what is wrong with a shop's order number. Read as a path, however often it is decoded, it has to be one segment: the number
// becomes part of the path that the backend is asked at.
func checkOrderNo(orderNo string) error {
	for _, read := range []string{orderNo, percent.Decode(orderNo)} {
		segment, _, _ := strings.Cut(read, ";") // where Java sees a parameter
		if !orderNoForm.MatchString(read) || segment == "." || segment == ".." {
			return errors.New("an order number has 1 to 64 printable characters of ASCII, no space, slash or backslash, and is neither . nor .. alone")
		}
	}
	return nil
}

// escapeOrderNo writes an order number as part of a URL's path or query. Whatever might mean something there is encoded.
func escapeOrderNo(orderNo string) string { return url.QueryEscape(orderNo) } // no space in it, the one character for which path and query differ

func lettersAndDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
}

const suffixLength = 6

// nextNumber proposes the Ping++ order number of an order's next attempt. WeChat refuses a number that it has seen with other
// parameters, so every attempt has its own: the first is the merchant's, if the channel takes it. All others are its letters and digits with a
// random suffix, cut where there is no room for it, and with a longer one where they are too few.
func nextNumber(c channel.Channel, orderNo string, random io.Reader) func(attempts, try int) string {
	return func(attempts, try int) string {
		if attempts == 0 && try == 0 && c.Accepts(orderNo) {
			return orderNo
		}
		plain := lettersAndDigits(orderNo)
		plain = plain[:min(len(plain), c.NumberMax-suffixLength)]
		return plain + session.RandomText(random, max(suffixLength, c.NumberMin-len(plain)))
	}
}
