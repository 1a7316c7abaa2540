package wechat

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Company is an express company.
type Company struct {
	Code string // WeChat's
	Name string
}

// needsContact is the code of 顺丰, whose parcels WeChat finds only with a contact.
const needsContact = "SF"

// companies are those that most parcels go by, and whose codes WeChat has published; the other names of each follow. WeChat knows more than a thousand.
var companies = []struct {
	Company
	others []string
}{
	{Company{needsContact, "顺丰"}, []string{"顺丰速运", "顺丰快递", "顺丰速递", "shunfeng", "SFExpress"}},
	{Company{"YTO", "圆通"}, []string{"圆通速递", "圆通快递", "yuantong", "YTOExpress"}},
	{Company{"ZTO", "中通"}, []string{"中通快递", "中通速递", "zhongtong", "ZTOExpress"}},
	{Company{"STO", "申通"}, []string{"申通快递", "申通速递", "shentong", "STOExpress"}},
	{Company{"YD", "韵达"}, []string{"韵达快递", "韵达速递", "yunda", "YundaExpress"}},
	{Company{"JTSD", "极兔"}, []string{"极兔速递", "极兔快递", "jitu", "J&T", "J&TExpress", "JTExpress"}},
	{Company{"DBL", "德邦"}, []string{"德邦快递", "德邦物流", "debang", "Deppon", "DepponExpress"}},
	{Company{"JD", "京东"}, []string{"京东快递", "京东物流", "jingdong", "JDExpress", "JDLogistics"}},
	{Company{"EMS", "EMS"}, []string{"邮政EMS", "中国邮政EMS", "EMS快递", "邮政特快专递"}},
	{Company{"YZPY", "邮政"}, []string{"中国邮政", "邮政包裹", "邮政快递", "邮政快递包裹", "youzheng", "ChinaPost"}},
	{Company{"DHL", "DHL"}, []string{"敦豪"}},
}

// uncoded are companies of whose codes at WeChat nothing is known for sure: WeChat's lists for other purposes have others for the same company. Each is
// none of the companies above, however near its name is to one.
var uncoded = [][]string{
	{"百世", "百世快递", "百世汇通", "百世物流", "汇通", "汇通快递", "baishi", "huitong"},
	{"天天", "天天快递", "tiantian"},
	{"优速", "优速快递", "优速物流", "yousu"},
	{"安能", "安能物流", "安能快递", "anneng"},
	{"丹鸟", "丹鸟快递", "丹鸟物流", "菜鸟速递", "danniao"},
	{"跨越", "跨越速运", "跨越快递", "跨越物流", "kuayue"},
	{"联邦", "联邦快递", "FedEx"},
	{"国通", "国通快递"},
	{"中铁", "中铁快递", "中铁物流"},
	{"京广", "京广快递", "京广速递"},
	{"宅急送", "zhaijisong"},
}

// separate are the ends of names that make another company of one: 中通快运 is not 中通.
var separate = []string{"快运", "国际", "同城", "冷运", "冷链", "kuaiyun"}

// misspelt are other words that sound like a company's name.
var misspelt = map[string]string{"园通": "YTO", "元通": "YTO", "员通": "YTO", "顺风": "SF", "运达": "YD", "申同": "STO", "忠通": "ZTO"}

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

// Uncoded returns the name of an express company that is known, but not its code at WeChat, which is to be looked up there.
func Uncoded(wrote string) (name string, ok bool) {
	wrote = strings.Join(strings.Fields(wrote), "")
	for _, names := range uncoded {
		if slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, wrote) }) {
			return names[0], true
		}
	}
	lower := strings.ToLower(wrote)
	for _, end := range separate {
		stem, has := strings.CutSuffix(lower, end)
		if !has {
			continue
		}
		if _, ok := CompanyCode(stem); ok {
			return wrote, true
		}
		if _, ok := Uncoded(stem); ok {
			return wrote, true
		}
	}
	return "", false
}

// WhereCodes says where the codes of all express companies stand, in English and in Chinese.
func WhereCodes() (en, zh string) {
	return "ask WeChat for its list, POST /cgi-bin/express/delivery/open_msg/get_delivery_list with the mini program's access token, and write the company's delivery_id",
		"请用小程序的 access_token 调用微信的 /cgi-bin/express/delivery/open_msg/get_delivery_list 获取运力列表，填写其中该公司的 delivery_id"
}

// NearestCompany returns the company that somebody who wrote another name may have meant: only to ask him, and never another company than he named.
func NearestCompany(wrote string) (near Company, ok bool) {
	if len(wrote) > maxTracked {
		return Company{}, false
	}
	if _, other := Uncoded(wrote); other {
		return Company{}, false
	}
	name := []rune(strings.ToUpper(strings.Join(strings.Fields(wrote), "")))
	least := 1 + len(name)/3
	for _, c := range companies {
		for _, known := range append([]string{c.Code, c.Name}, c.others...) {
			with := []rune(strings.ToUpper(known))
			n := apart(name, with)
			if n < len(with) && len(name) > 0 && name[0] == with[0] && (n < least || n == least && !ok) {
				near, least, ok = c.Company, n, true
			}
		}
		for word, code := range misspelt {
			if code == c.Code && strings.HasPrefix(string(name), word) {
				return c.Company, true
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
	where, _ := WhereCodes()
	if name, ok := Uncoded(wrote); ok {
		return fmt.Errorf("WeChat's code of the express company %.60s is not known here: %s", name, where)
	}
	if near, ok := NearestCompany(wrote); ok {
		return fmt.Errorf("company %.60q is no express company that we know: write %s (%s), or WeChat's code of another", wrote, near.Name, near.Code)
	}
	var names []string
	for _, c := range companies {
		names = append(names, c.Name)
	}
	return fmt.Errorf("company %.60q is no express company that we know: write %s; of another %s", wrote, strings.Join(names, ", "), where)
}
