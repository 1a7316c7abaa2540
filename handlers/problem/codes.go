package problem

import "net/http"

// codes is every error that a route can answer, with its status and the sentence for the person in front of it. The codes
// are part of the product's interface and never change their meaning.
var codes = map[string]struct {
	status int
	en, zh string
}{
	"https_required":     {http.StatusForbidden, "This address is served over HTTPS only. Call it with https://.", "该接口只接受 HTTPS 访问，请使用 https://。"},
	"target_invalid":     {http.StatusBadRequest, "The request's target must be a plain path: one that begins with a slash and that nobody can read in two ways.", "请求目标必须是普通路径：以斜杠开头，且只有一种读法。"},
	"too_early":          {http.StatusTooEarly, "Send this request again once the connection's handshake is over.", "请在连接握手完成后重新发送该请求。"},
	"not_found":          {http.StatusNotFound, "There is nothing at this address.", "该地址不存在。"},
	"method_not_allowed": {http.StatusMethodNotAllowed, "This address does not accept the request's method; see the Allow header.", "不支持该请求方法，请参见 Allow 响应头。"},
	"too_large":          {http.StatusRequestEntityTooLarge, "The request body is too large.", "请求体过大。"},
	"content_type":       {http.StatusUnsupportedMediaType, "Send the request body as application/json.", "请求体必须是 application/json。"},
	"json_invalid":       {http.StatusBadRequest, "The request body is not the JSON object that this address expects.", "请求体不是该接口要求的 JSON 对象。"},
	"field_forbidden":    {http.StatusBadRequest, "The request holds a field or a value that a client may not send; see the member field.", "请求中包含客户端不允许发送的字段或取值，见 field。"},
	"rate_limited":       {http.StatusTooManyRequests, "Too many requests. Try again after the time that Retry-After names.", "请求过于频繁，请在 Retry-After 指定的时间之后重试。"},

	"code_missing":     {http.StatusBadRequest, "Send the login code of wx.login as the parameter code.", "缺少登录凭证 code，请先调用 wx.login。"},
	"code_invalid":     {http.StatusUnauthorized, "The login code is wrong, used or expired. Call wx.login again.", "登录凭证 code 无效、已使用或已过期，请重新调用 wx.login。"},
	"session_missing":  {http.StatusUnauthorized, "Log in first: send the session of /pay/openid.", "请先登录：携带 /pay/openid 返回的 session。"},
	"session_expired":  {http.StatusUnauthorized, "The session has expired. Log in again.", "登录已过期，请重新登录。"},
	"session_invalid":  {http.StatusUnauthorized, "The session is not valid here. Log in again.", "登录状态无效，请重新登录。"},
	"origin_forbidden": {http.StatusForbidden, "Only this site's own pages may do this.", "只允许本站页面发起该请求。"},

	"oauth_state_invalid": {http.StatusForbidden, "This login was not begun in this browser, or is over. Open the page again.", "该登录不是由此浏览器发起，或已结束，请重新打开页面。"},
	"oauth_rejected":      {http.StatusBadGateway, "WeChat refused the login. Open the page again.", "微信拒绝了登录请求，请重新打开页面。"},
	"snapshot_user":       {http.StatusForbidden, "You see a preview of this page. Open the full page in WeChat to log in and pay.", "当前为快照页，请点击“使用完整服务”后再登录和支付。"},

	"wechat_busy":          {http.StatusServiceUnavailable, "WeChat is busy. Try again shortly.", "微信系统繁忙，请稍后重试。"},
	"wechat_blocked":       {http.StatusForbidden, "WeChat has blocked this user's login as a risk.", "该用户被微信判定为高风险，登录被拦截。"},
	"wechat_misconfigured": {http.StatusBadGateway, "The shop's WeChat account is not set up correctly. Tell the shop.", "商户的微信配置有误，请联系商户。"},
	"wechat_rejected":      {http.StatusBadGateway, "WeChat refused the login.", "微信拒绝了登录请求。"},
	"wechat_unavailable":   {http.StatusBadGateway, "WeChat cannot be reached. Try again shortly.", "暂时无法连接微信，请稍后重试。"},

	"order_invalid":      {http.StatusBadRequest, "An order number has 1 to 64 printable characters, without spaces, slashes and backslashes.", "订单号须为 1 到 64 个可见字符，不能包含空格、斜杠和反斜杠。"},
	"order_not_found":    {http.StatusNotFound, "There is no such order for this user.", "订单不存在。"},
	"order_already_paid": {http.StatusConflict, "The order is paid already.", "订单已支付。"},
	"order_closed":       {http.StatusConflict, "The order is closed and cannot be paid any more.", "订单已关闭，无法支付。"},
	"nothing_to_pay":     {http.StatusConflict, "This order costs nothing, so there is nothing to pay.", "订单金额为 0，无需支付。"},

	"charge_not_found":   {http.StatusNotFound, "There is no such payment for this user.", "支付单不存在。"},
	"charge_superseded":  {http.StatusConflict, "Another payment of this order has taken the place of this one. Pay that one.", "该订单已发起新的支付，此支付单已被取代。"},
	"charge_expired":     {http.StatusConflict, "This payment can no longer be made. Start a new one.", "该支付已失效，请重新发起支付。"},
	"attempts_exceeded":  {http.StatusTooManyRequests, "Too many payments are open. Pay or wait for those first; try again after the time that Retry-After names.", "未完成的支付过多，请先完成已有的支付，或在 Retry-After 指定的时间之后重试。"},
	"charge_in_progress": {http.StatusConflict, "Another request is at work on this payment right now. Try again shortly.", "该笔支付正在处理另一个请求，请稍后重试。"},

	"channel_unsupported":   {http.StatusBadRequest, "This payment channel is not offered here.", "不支持该支付渠道。"},
	"channel_extra_missing": {http.StatusBadGateway, "The shop has not set up this payment channel completely. Tell the shop.", "该支付渠道的配置不完整，请联系商户。"},
	"amount_invalid":        {http.StatusBadGateway, "This amount cannot be charged.", "金额无效，无法支付。"},
	"quote_invalid":         {http.StatusBadGateway, "The shop's answer about the order cannot be used.", "商户返回的订单信息无效。"},
	"backend_unavailable":   {http.StatusBadGateway, "The shop cannot be reached right now. Try again shortly.", "暂时无法连接商户系统，请稍后重试。"},

	"charge_rejected":      {http.StatusPaymentRequired, "The payment channel refused this payment.", "支付渠道拒绝了该笔支付。"},
	"provider_rejected":    {http.StatusBadGateway, "The payment service refused the request. Tell the shop.", "支付服务拒绝了请求，请联系商户。"},
	"provider_unavailable": {http.StatusServiceUnavailable, "The payment service cannot be reached right now. Try again shortly.", "支付服务暂时不可用，请稍后重试。"},
	"provider_timeout":     {http.StatusGatewayTimeout, "The payment service did not answer in time. Try again.", "支付服务响应超时，请重试。"},

	"signature_missing": {http.StatusUnauthorized, "The webhook has no signature.", "Webhook 缺少签名。"},
	"signature_invalid": {http.StatusUnauthorized, "The webhook's signature does not verify.", "Webhook 签名验证失败。"},
	"event_malformed":   {http.StatusBadRequest, "The webhook's body is not an event.", "Webhook 内容不是有效的事件。"},
	"mode_mismatch":     {http.StatusForbidden, "The event's mode (test or live) is not this site's.", "事件的模式（测试或正式）与该站点不符。"},
	"app_mismatch":      {http.StatusForbidden, "The event belongs to another Ping++ app.", "事件属于另一个 Ping++ 应用。"},

	"token_invalid":    {http.StatusUnauthorized, "The merchant API's token is missing or wrong. Send Authorization: Bearer and a token of merchant_api.", "商户接口令牌缺失或错误，请发送 Authorization: Bearer 与 merchant_api 中配置的 token。"},
	"source_forbidden": {http.StatusForbidden, "The merchant API does not answer this address. See allow in merchant_api.", "该来源地址无权访问商户接口，请检查 merchant_api 的 allow 配置。"},
	"refund_invalid":   {http.StatusBadRequest, "The refund's request cannot be used; see the member field.", "退款请求参数有误，见 field。"},
	"refund_exceeds":   {http.StatusConflict, "More than what is left of the payment cannot be refunded.", "退款金额超过剩余可退金额。"},
	"refund_rejected":  {http.StatusPaymentRequired, "Ping++ or the payment channel refused the refund; see failure_code and failure_msg.", "Ping++ 或支付渠道拒绝了该笔退款，见 failure_code 与 failure_msg。"},
	"charge_not_paid":  {http.StatusConflict, "The payment has not been made, so there is nothing to refund.", "该笔支付尚未完成，无法退款。"},

	"shipping_invalid":     {http.StatusBadRequest, "The report of the shipping cannot be used; see the member field.", "发货信息有误，见 field。"},
	"shipping_refused":     {http.StatusConflict, "The shipping of this order cannot be reported; see the member reason.", "该订单的发货信息无法上报，见 reason。"},
	"shipping_unavailable": {http.StatusServiceUnavailable, "The report cannot be recorded right now. Send the same again shortly.", "暂时无法记录发货信息，请稍后原样重试。"},

	"ledger_unavailable": {http.StatusServiceUnavailable, "This cannot be recorded right now. Try again shortly.", "暂时无法记录，请稍后重试。"},
}
