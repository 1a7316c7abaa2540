package wechat

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Company is an express company.
type Company struct {
	Code string // WeChat's
	Name string
}

// needsContact is the code of 顺丰, whose parcels WeChat finds only with a contact.
const needsContact = "SF"

// companies are those that most parcels go by; the other names of each follow. WeChat knows more than a thousand.
var companies = []struct {
	Company
	others []string
}{
	{Company{needsContact, "顺丰"}, []string{"顺丰速运", "顺丰快递", "顺丰速递"}},
	{Company{"YTO", "圆通"}, []string{"圆通速递", "圆通快递"}},
	{Company{"ZTO", "中通"}, []string{"中通快递", "中通速递"}},
	{Company{"STO", "申通"}, []string{"申通快递", "申通速递"}},
	{Company{"YD", "韵达"}, []string{"韵达快递", "韵达速递", "YUNDA"}},
	{Company{"JTSD", "极兔"}, []string{"极兔速递", "极兔快递", "J&T"}},
	{Company{"DBL", "德邦"}, []string{"德邦快递", "德邦物流"}},
	{Company{"JD", "京东"}, []string{"京东快递", "京东物流"}},
	{Company{"EMS", "EMS"}, []string{"邮政EMS", "中国邮政EMS", "EMS快递", "邮政特快专递"}},
	{Company{"YZPY", "邮政"}, []string{"中国邮政", "邮政包裹", "邮政快递", "邮政快递包裹"}},
	{Company{"DHL", "DHL"}, []string{"敦豪"}},
}

var codeShape = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,31}$`)

// Companies are the express companies whose names [CompanyCode] knows.
func Companies() []Company {
	out := make([]Company, 0, len(companies))
	for _, c := range companies {
		out = append(out, c.Company)
	}
	return out
}

// CompanyCode returns WeChat's code of an express company by its name, in upper or lower case. Since WeChat has more codes than we have names,
// whatever has the shape of a code, in capitals, is taken for one.
func CompanyCode(name string) (code string, ok bool) {
	name = strings.Join(strings.Fields(name), "")
	for _, c := range companies {
		is := func(known string) bool { return strings.EqualFold(known, name) }
		if is(c.Code) || is(c.Name) || slices.ContainsFunc(c.others, is) {
			return c.Code, true
		}
	}
	if codeShape.MatchString(name) {
		return name, true
	}
	return "", false
}

// NeedsContact says that WeChat finds the parcels of an express company only with a contact.
func NeedsContact(code string) bool { return code == needsContact }

// NearestCompany returns the company that somebody who wrote another name may have meant.
func NearestCompany(wrote string) (near Company, ok bool) {
	if len(wrote) > maxTracked {
		return Company{}, false
	}
	name := []rune(strings.ToUpper(strings.Join(strings.Fields(wrote), "")))
	least := 1 + len(name)/3
	for _, c := range companies {
		for _, known := range append([]string{c.Code, c.Name}, c.others...) {
			n := apart(name, []rune(known))
			if n < utf8.RuneCountInString(known) && (n < least || n == least && !ok) {
				near, least, ok = c.Company, n, true
			}
		}
	}
	return near, ok
}

// apart is how many characters must be put in, taken out or changed to make b of a.
func apart(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		corner := row[0]
		row[0]++
		for j := range b {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, corner+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// unknownCompany says what to write instead.
func unknownCompany(wrote string) error {
	if near, ok := NearestCompany(wrote); ok {
		return fmt.Errorf("company %.60q is no express company that we know: write %s (%s), or WeChat's code of another", wrote, near.Name, near.Code)
	}
	var names []string
	for _, c := range companies {
		names = append(names, c.Name)
	}
	return fmt.Errorf("company %.60q is no express company that we know: write %s, or WeChat's code of another", wrote, strings.Join(names, ", "))
}
