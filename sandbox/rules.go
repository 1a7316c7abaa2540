package sandbox

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// channel is one row of the table of what the sandbox can charge through.
type channel struct {
	name       string
	family     string // channels of one family share their order numbers
	currencies []string
	orderNo    *regexp.Regexp
	orderNoBad string   // the channel's own words for a number it does not take
	required   []string // members of extra, all strings
	optional   []string
	check      func(extra object) *apiError // of the values in extra
	astral     bool                         // takes characters outside the BMP (emoji)

	minExpire, maxExpire, defaultExpire time.Duration

	credential func(s *Sandbox, c *charge) any
	paidExtra  func(c *charge) // what extra gains by the payment
}

// Facts of the WeChat family: numbers of 2 to 32 letters, digits and _-|*; one minute to seven days,
// two hours by default.
var channels = map[string]*channel{
	"wx_lite": {
		name: "wx_lite", family: "wx", currencies: []string{"cny"},
		orderNo: regexp.MustCompile(`^[0-9A-Za-z_\-|*]{2,32}$`), orderNoBad: "invalid out_trade_no",
		required: []string{"open_id"}, optional: []string{"limit_pay", "goods_tag"}, check: checkWeChatExtra,
		minExpire: time.Minute, maxExpire: 7 * 24 * time.Hour, defaultExpire: 2 * time.Hour,
		credential: wechatCredential, paidExtra: wechatPaidExtra,
	},
}

const (
	maxAmount      = 1_000_000_000 // fen; the bound that Ping++ documents for recharges, it states none for charges
	maxSubject     = 32            // characters, like all below
	maxBodyText    = 128
	maxDescription = 255
	maxMetadata    = 1000
	maxPairs       = 10
	maxGoodsTag    = 32 // WeChat's
)

// params are the checked parameters of a new charge.
type params struct {
	channel     *channel
	orderNo     string
	amount      int64 // fen
	clientIP    string
	currency    string
	subject     string
	body        string
	extra       object
	timeExpire  int64 // Unix seconds
	metadata    object
	description *string
}

var knownParams = []string{"order_no", "app", "channel", "amount", "client_ip", "currency", "subject", "body", "extra", "time_expire", "metadata", "description"}

// readParams checks what Ping++ checks itself (400), then what its channel would refuse (402).
func (s *Sandbox) readParams(body []byte, now time.Time) (*params, *apiError) {
	in, refusal := parseParams(body, knownParams)
	if refusal != nil {
		return nil, refusal
	}
	p := &params{}
	for _, check := range []func(object, *params, time.Time) *apiError{
		s.readApp, readChannel, readTexts, readAmount, readClientIP, readExtra, readExpire, readMetadata, refusedByChannel,
	} {
		if refusal := check(in, p, now); refusal != nil {
			return nil, refusal
		}
	}
	return p, nil
}

// parseParams reads a request's body, which may have no members but the known ones.
func parseParams(body []byte, known []string) (object, *apiError) {
	in, err := parseObject(body)
	if err != nil {
		return nil, badParam("", "请求体解析失败: 不是一个合法的 json 格式字符串", "Failed to parse the request body: not a valid JSON object")
	}
	for _, m := range in {
		if !slices.Contains(known, m.key) {
			return nil, unknownParam(m.key)
		}
	}
	return in, nil
}

func (s *Sandbox) readApp(in object, _ *params, _ time.Time) *apiError {
	raw, ok := in.get("app")
	if !ok || isNull(raw) {
		return missingParam("app[id]")
	}
	app, err := parseObject(raw)
	if err != nil {
		return badParam("app", "app 必须是键值对，包含 id。", "app must be an object with an id.")
	}
	raw, _ = app.get("id")
	id, ok := text(raw)
	if !ok || id == "" {
		return missingParam("app[id]")
	}
	return s.checkApp(id)
}

func (s *Sandbox) checkApp(id string) *apiError {
	if id != s.cfg.App {
		return notFound("app", id, "app[id]")
	}
	return nil
}

func readChannel(in object, p *params, _ time.Time) *apiError {
	name, refusal := requiredText(in, "channel")
	if refusal != nil {
		return refusal
	}
	p.channel = channels[name]
	if p.channel == nil {
		return badParam("channel", "支付渠道 "+name+" 未开通或不存在。", "The channel "+name+" is not enabled or does not exist.")
	}
	return nil
}

func readTexts(in object, p *params, _ time.Time) *apiError {
	for _, f := range []struct {
		param string
		into  *string
		max   int
	}{
		{"order_no", &p.orderNo, 64}, // Ping++'s own bound is the longest that any channel takes
		{"currency", &p.currency, 3},
		{"subject", &p.subject, maxSubject},
		{"body", &p.body, maxBodyText},
	} {
		v, refusal := requiredText(in, f.param)
		if refusal != nil {
			return refusal
		}
		if utf8.RuneCountInString(v) > f.max {
			return tooLong(f.param, f.max)
		}
		*f.into = v
	}
	if !slices.Contains(p.channel.currencies, p.currency) {
		return badParam("currency", "渠道 "+p.channel.name+" 不支持货币 "+p.currency+"。", "The channel "+p.channel.name+" does not take the currency "+p.currency+".")
	}
	if raw, ok := in.get("description"); ok && !isNull(raw) {
		v, ok := text(raw)
		if !ok {
			return notA("description", "字符串", "a string")
		}
		if utf8.RuneCountInString(v) > maxDescription {
			return tooLong("description", maxDescription)
		}
		p.description = &v
	}
	return nil
}

func readAmount(in object, p *params, _ time.Time) *apiError {
	amount, given, refusal := amountOf(in)
	if refusal == nil && !given {
		refusal = missingParam("amount")
	}
	p.amount = amount
	return refusal
}

// amountOf reads an amount in fen, if one is given.
func amountOf(in object) (amount int64, given bool, refusal *apiError) {
	raw, ok := in.get("amount")
	if !ok || isNull(raw) {
		return 0, false, nil
	}
	amount, ok = integer(raw)
	if !ok || amount <= 0 || amount > maxAmount {
		return 0, true, notA("amount", "大于 0 的整数", "an integer greater than 0")
	}
	return amount, true, nil
}

func readClientIP(in object, p *params, _ time.Time) *apiError {
	ip, refusal := requiredText(in, "client_ip")
	if refusal != nil {
		return refusal
	}
	if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
		return notA("client_ip", "合法的 IP 地址", "a valid IP address")
	}
	p.clientIP = ip
	return nil
}

func readExtra(in object, p *params, _ time.Time) *apiError {
	p.extra = object{}
	if raw, ok := in.get("extra"); ok && !isNull(raw) {
		extra, err := parseObject(raw)
		if err != nil {
			return badParam("extra", "extra 必须是键值对。", "extra must consist of key/value pairs.")
		}
		p.extra = extra
	}
	for _, key := range p.channel.required {
		if raw, ok := p.extra.get(key); !ok || isNull(raw) || string(raw) == `""` {
			return missingParam("extra[" + key + "]")
		}
	}
	for i, m := range p.extra {
		param := "extra[" + m.key + "]"
		if !slices.Contains(p.channel.required, m.key) && !slices.Contains(p.channel.optional, m.key) {
			return unknownParam(param)
		}
		v, ok := text(m.value)
		if !ok {
			return notA(param, "字符串", "a string")
		}
		p.extra[i].value = encode(v)
	}
	return p.channel.check(p.extra)
}

func readExpire(in object, p *params, now time.Time) *apiError {
	p.timeExpire = now.Add(p.channel.defaultExpire).Unix()
	raw, ok := in.get("time_expire")
	if !ok || isNull(raw) {
		return nil
	}
	expire, ok := integer(raw)
	if !ok {
		return notA("time_expire", "Unix 时间戳", "a Unix timestamp in seconds")
	}
	if expire < now.Add(p.channel.minExpire).Unix() || expire > now.Add(p.channel.maxExpire).Unix() {
		return badParam("time_expire",
			"time_expire 超出范围: 渠道 "+p.channel.name+" 允许创建后 "+p.channel.minExpire.String()+" 到 "+p.channel.maxExpire.String()+"。",
			"time_expire is out of range: the channel "+p.channel.name+" allows "+p.channel.minExpire.String()+" to "+p.channel.maxExpire.String()+" after creation.")
	}
	p.timeExpire = expire
	return nil
}

func readMetadata(in object, p *params, _ time.Time) (refusal *apiError) {
	p.metadata, refusal = metadataOf(in)
	return refusal
}

// metadataOf reads the metadata, empty if none is given.
func metadataOf(in object) (object, *apiError) {
	raw, ok := in.get("metadata")
	if !ok || isNull(raw) {
		return object{}, nil
	}
	metadata, err := parseObject(raw)
	if err != nil {
		return nil, badParam("metadata", "metadata 必须是键值对。", "metadata must consist of key/value pairs.")
	}
	if len(metadata) > maxPairs {
		return nil, badParam("metadata", "metadata 最多 10 个键值对。", "metadata has at most 10 key/value pairs.")
	}
	size := 0
	for i, m := range metadata {
		if m.value[0] == '{' || m.value[0] == '[' {
			return nil, badParam("metadata", "metadata 不支持嵌套。", "metadata cannot be nested.")
		}
		value := string(m.value)
		if v, ok := text(m.value); ok {
			value, metadata[i].value = v, encode(v)
		}
		size += utf8.RuneCountInString(m.key) + utf8.RuneCountInString(value)
	}
	if size > maxMetadata {
		return nil, tooLong("metadata", maxMetadata)
	}
	return metadata, nil
}

// refusedByChannel is what passes Ping++ and fails at the channel.
func refusedByChannel(_ object, p *params, _ time.Time) *apiError {
	ch := p.channel
	if !ch.orderNo.MatchString(p.orderNo) {
		return channelRefusal(ch.name, ch.orderNoBad)
	}
	if !ch.astral && (hasAstral(p.subject) || hasAstral(p.body)) {
		return channelRefusal(ch.name, "输入源“/body/xml/body”映射到值字段“商品描述”字符串规则校验失败，包含不支持的字符")
	}
	return nil
}

var openIDShape = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)

func checkWeChatExtra(extra object) *apiError {
	raw, _ := extra.get("open_id")
	if openid, _ := text(raw); !openIDShape.MatchString(openid) {
		return channelRefusal("wx_lite", "无效的openid")
	}
	if raw, ok := extra.get("goods_tag"); ok {
		if tag, _ := text(raw); utf8.RuneCountInString(tag) > maxGoodsTag {
			return tooLong("extra[goods_tag]", maxGoodsTag)
		}
	}
	if raw, ok := extra.get("limit_pay"); ok && string(raw) != `"no_credit"` {
		return badParam("extra[limit_pay]", "limit_pay 只能是 no_credit。", "limit_pay can only be no_credit.")
	}
	return nil
}

// hasAstral tells emoji and other characters outside the Basic Multilingual Plane.
func hasAstral(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF })
}

func requiredText(in object, param string) (string, *apiError) {
	raw, ok := in.get(param)
	if !ok || isNull(raw) {
		return "", missingParam(param)
	}
	v, ok := text(raw)
	if !ok {
		return "", notA(param, "字符串", "a string")
	}
	if v == "" {
		return "", missingParam(param)
	}
	return v, nil
}

func notA(param, zh, en string) *apiError {
	return badParam(param, "参数 "+param+" 必须是"+zh+"。", "The param "+param+" must be "+en+".")
}

func tooLong(param string, most int) *apiError {
	n := strconv.Itoa(most)
	return badParam(param, "参数 "+param+" 不能超过 "+n+" 个字符。", "The param "+param+" has at most "+n+" characters.")
}
