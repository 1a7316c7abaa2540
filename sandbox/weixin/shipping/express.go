package shipping

import "encoding/json"

// company is an express company as WeChat lists them.
type company struct {
	ID   string `json:"delivery_id"`
	Name string `json:"delivery_name"`
}

// companies are some of the many that WeChat lists.
var companies = []company{
	{"YD", "韵达速递"}, {"STO", "申通快递"}, {"YTO", "圆通速递"}, {"ZTO", "中通快递"}, {"SF", "顺丰速运"}, {"JTSD", "极兔速递"},
	{"DBL", "德邦快递"}, {"EMS", "EMS"}, {"JD", "京东快递"}, {"YZPY", "邮政快递包裹"}, {"DHL", "DHL"},
}

// Companies is get_delivery_list.
func (b *Book) Companies(body []byte) (any, int) {
	if json.Unmarshal(body, &struct{}{}) != nil {
		return nil, 47001
	}
	return struct {
		ok
		List  []company `json:"delivery_list"`
		Count int       `json:"count"`
	}{fine, companies, len(companies)}, 0
}
