package payment

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
)

var (
	wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
	// Some languages write decimals with an exponent: 1E+2 is Java's hundred.
	yuanSyntax = regexp.MustCompile(`^(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$`)
)

// mostDigits is how many digits a price in fen can have.
const mostDigits = 17

// readAmount returns the price in fen. A number is read as it stands in the JSON, digit by digit, and never rounded.
func (o *Orders) readAmount(a *answered, currency string) (int64, error) {
	v := a.get("amount")
	_, own := a.paths["amount"]
	if _, there := a.fields["amount"]; v == nil && (own || !there) {
		return 0, fmt.Errorf("%s is missing; name the price, like \"amount\": 1999", a.where("amount"))
	}
	if v == nil {
		v = json.RawMessage("null")
	}
	text := string(v)
	if own || o.Yuan {
		_ = json.Unmarshal(v, &text) // a number stays as it stands
	}
	bad := func(form string) error {
		return problem.New("amount_invalid", fmt.Errorf("%s must be %s, not %s", a.where("amount"), form, backend.Excerpt(v, 40)))
	}
	if !o.Yuan {
		if !wholeNumber.MatchString(text) {
			return 0, bad("a whole number of fen like 1999")
		}
		return strconv.ParseInt(text, 10, 64) // at most 18 digits
	}
	if currency != "" && currency != "cny" {
		return 0, problem.New("amount_invalid", fmt.Errorf("unit yuan is for prices in cny, not %.20q; name those in the currency's smallest unit", currency))
	}
	fen, ok := yuanInFen(text)
	if !ok {
		return 0, bad("yuan like 12.30, without a sign, separators or a fraction of a fen")
	}
	return fen, nil
}

// yuanInFen reads a price in yuan by moving the decimal point, and says whether it is one of whole fen.
func yuanInFen(text string) (fen int64, ok bool) {
	m := yuanSyntax.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	exponent, _ := strconv.Atoi(m[3]) // none is 0, and three digits fit
	shift := exponent + 2 - len(m[2]) // from the last digit to the last of the fen
	digits := strings.TrimLeft(m[1]+m[2], "0")
	whole := strings.TrimRight(digits, "0") // databases pad decimals
	shift += len(digits) - len(whole)
	switch {
	case whole == "":
		return 0, true
	case shift < 0 || len(whole)+shift > mostDigits:
		return 0, false
	}
	fen, err := strconv.ParseInt(whole+strings.Repeat("0", shift), 10, 64)
	return fen, err == nil
}
