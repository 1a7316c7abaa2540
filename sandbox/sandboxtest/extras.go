package sandboxtest

// extras is what each channel's extra has to hold.
var extras = map[string]map[string]any{
	"wx_lite":          {"open_id": "oUser"},
	"wx_pub":           {"open_id": "oUser", "limit_pay": "no_credit"},
	"wx_pub_qr":        {"product_id": "tea"},
	"wx_pub_scan":      {"scan_code": "134567890123456789"},
	"wx_wap":           {"result_url": "https://shop.example.com/paid"},
	"alipay":           {"rn_check": "T"},
	"alipay_wap":       {"success_url": "https://shop.example.com/paid", "app_pay": true},
	"alipay_pc_direct": {"success_url": "https://shop.example.com/paid"},
	"alipay_scan":      {"scan_code": "281234567890123456", "terminal_id": "T1"},
	"upacp_wap":        {"result_url": "https://shop.example.com/paid"},
	"upacp_pc":         {"result_url": "https://shop.example.com/paid"},
	"upacp_scan":       {"scan_code": "621234567890123456"},
	"isv_scan":         {"terminal_id": "T1", "scan_code": "134567890123456789"},
	"isv_qr":           {"terminal_id": "T1", "pay_channel": "wx"},
	"isv_wap":          {"terminal_id": "T1", "pay_channel": "alipay", "result_url": "https://shop.example.com/paid"},
	"isv_lite":         {"open_id": "oUser"},
	"wx_lite_pab":      {"open_id": "oUser"},
	"wx_pub_pab":       {"open_id": "oUser"},
	"yeepay_wx_lite":   {"open_id": "oUser"},
	"yeepay_wx_pub":    {"open_id": "oUser"},
	"bfb_wap":          {"result_url": "https://shop.example.com/paid", "bfb_login": false},
	"jdpay_wap":        {"success_url": "https://shop.example.com/paid", "fail_url": "https://shop.example.com/failed"},
	"yeepay_wap": {"product_category": "1", "identity_id": "u1", "identity_type": 2, "terminal_type": 3, "terminal_id": "t", "user_ua": "ua",
		"result_url": "https://shop.example.com/paid"},
	"qpay":           {"device": "ios"},
	"cmb_wallet":     {"result_url": "https://shop.example.com/paid", "p_no": "1", "seq": "2", "m_uid": "3", "mobile": "13800000000"},
	"cb_wx":          {"goods_list": []any{map[string]any{"goods_name": "tea", "goods_num": 1}}},
	"cb_wx_pub":      {"open_id": "oUser", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"cb_wx_pub_qr":   {"product_id": "tea", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"cb_wx_pub_scan": {"scan_code": "134567890123456789", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"balance":        {"user": "u1"},
	"fqlpay_wap":     {"c_merch_id": "m"},
	"qgbc_wap":       {"phone": "13800000000"},
	"mmdpay_wap":     {"phone": "13800000000", "id_no": "1", "name": "n"},
}

// ExtraOf is an extra that a channel takes; not to be changed.
func ExtraOf(channel string) map[string]any {
	if extra := extras[channel]; extra != nil {
		return extra
	}
	return map[string]any{}
}
