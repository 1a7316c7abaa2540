package sandbox

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

const (
	maxAmount      = 1_000_000_000 // fen; the bound that Ping++ documents for recharges, it states none for charges
	maxSubject     = 32            // characters, like all below
	maxBodyText    = 128
	maxDescription = 255
	maxMetadata    = 1000
	maxPairs       = 10
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
	extra       rawjson.Object
	timeExpire  int64 // Unix seconds
	metadata    rawjson.Object
	description *string
	base        string // where the mock page is
}

var knownParams = []string{"order_no", "app", "channel", "amount", "client_ip", "currency", "subject", "body", "extra", "time_expire", "metadata", "description"}

// readParams checks what Ping++ checks itself (400), then what its channel would refuse (402).
func (s *Sandbox) readParams(body []byte, now time.Time) (*params, *apiError) {
	in, refusal := parseParams(body, knownParams)
	if refusal != nil {
		return nil, refusal
	}
	p := &params{}
	for _, check := range []func(rawjson.Object, *params, time.Time) *apiError{
		s.readApp, readChannel, readTexts, readAmount, readClientIP, readExtra, readExpire, readMetadata, refusedByChannel,
	} {
		if refusal := check(in, p, now); refusal != nil {
			return nil, refusal
		}
	}
	return p, nil
}

// parseParams reads a request's body, which may have no members but the known ones.
func parseParams(body []byte, known []string) (rawjson.Object, *apiError) {
	in, err := rawjson.Parse(body)
	if err != nil {
		return nil, badParam("", "请求体解析失败: 不是一个合法的 json 格式字符串", "Failed to parse the request body: not a valid JSON object")
	}
	for _, m := range in {
		if !slices.Contains(known, m.Key) {
			return nil, unknownParam(m.Key)
		}
	}
	return in, nil
}

func (s *Sandbox) readApp(in rawjson.Object, _ *params, _ time.Time) *apiError {
	raw, ok := in.Get("app")
	if !ok || rawjson.IsNull(raw) {
		return missingParam("app[id]")
	}
	app, err := rawjson.Parse(raw)
	if err != nil {
		return badParam("app", "app 必须是键值对，包含 id。", "app must be an object with an id.")
	}
	raw, _ = app.Get("id")
	id, ok := rawjson.Text(raw)
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

func readChannel(in rawjson.Object, p *params, _ time.Time) *apiError {
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

func readTexts(in rawjson.Object, p *params, _ time.Time) *apiError {
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
	if most := p.channel.subjectBytes; most > 0 && len(p.subject) > most {
		n := strconv.Itoa(most)
		return badParam("subject", "渠道 "+p.channel.name+" 的 subject 不能超过 "+n+" 个字节。", "The channel "+p.channel.name+" takes at most "+n+" bytes of subject.")
	}
	if most := p.channel.bodyText; most > 0 && utf8.RuneCountInString(p.body) > most {
		return tooLong("body", most)
	}
	if !slices.Contains(p.channel.currencies, p.currency) {
		return badParam("currency", "渠道 "+p.channel.name+" 不支持货币 "+p.currency+"。", "The channel "+p.channel.name+" does not take the currency "+p.currency+".")
	}
	if raw, ok := in.Get("description"); ok && !rawjson.IsNull(raw) {
		v, ok := rawjson.Text(raw)
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

func readAmount(in rawjson.Object, p *params, _ time.Time) *apiError {
	amount, given, refusal := amountOf(in)
	if refusal == nil && !given {
		refusal = missingParam("amount")
	}
	p.amount = amount
	return refusal
}

// amountOf reads an amount in fen, if one is given.
func amountOf(in rawjson.Object) (amount int64, given bool, refusal *apiError) {
	raw, ok := in.Get("amount")
	if !ok || rawjson.IsNull(raw) {
		return 0, false, nil
	}
	amount, ok = rawjson.Integer(raw)
	if !ok || amount <= 0 || amount > maxAmount {
		return 0, true, notA("amount", "大于 0 的整数", "an integer greater than 0")
	}
	return amount, true, nil
}

func readClientIP(in rawjson.Object, p *params, _ time.Time) *apiError {
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

func readExtra(in rawjson.Object, p *params, _ time.Time) *apiError {
	p.extra = rawjson.Object{}
	if raw, ok := in.Get("extra"); ok && !rawjson.IsNull(raw) {
		extra, err := rawjson.ParsePairs(raw)
		if err != nil {
			return badParam("extra", "extra 必须是键值对。", "extra must consist of key/value pairs.")
		}
		p.extra = extra
	}
	return checkExtra(p.channel, p.extra)
}

func readExpire(in rawjson.Object, p *params, now time.Time) *apiError {
	p.timeExpire = now.Add(p.channel.defaultExpire).Unix()
	raw, ok := in.Get("time_expire")
	if !ok || rawjson.IsNull(raw) {
		return nil
	}
	expire, ok := rawjson.Integer(raw)
	if !ok {
		return notA("time_expire", "Unix 时间戳", "a Unix timestamp in seconds")
	}
	if expire < now.Add(minExpire).Unix() || expire > now.Add(p.channel.maxExpire).Unix() {
		return badParam("time_expire",
			"time_expire 超出范围: 渠道 "+p.channel.name+" 允许创建后 "+minExpire.String()+" 到 "+p.channel.maxExpire.String()+"。",
			"time_expire is out of range: the channel "+p.channel.name+" allows "+minExpire.String()+" to "+p.channel.maxExpire.String()+" after creation.")
	}
	p.timeExpire = expire
	return nil
}

func readMetadata(in rawjson.Object, p *params, _ time.Time) (refusal *apiError) {
	p.metadata, refusal = metadataOf(in)
	return refusal
}

// metadataOf reads the metadata, empty if none is given.
func metadataOf(in rawjson.Object) (rawjson.Object, *apiError) {
	raw, ok := in.Get("metadata")
	if !ok || rawjson.IsNull(raw) {
		return rawjson.Object{}, nil
	}
	metadata, err := rawjson.ParsePairs(raw)
	if err != nil {
		return nil, badParam("metadata", "metadata 必须是键值对。", "metadata must consist of key/value pairs.")
	}
	if len(metadata) > maxPairs {
		return nil, badParam("metadata", "metadata 最多 10 个键值对。", "metadata has at most 10 key/value pairs.")
	}
	size := 0
	for i, m := range metadata {
		if m.Value[0] == '{' || m.Value[0] == '[' {
			return nil, badParam("metadata", "metadata 不支持嵌套。", "metadata cannot be nested.")
		}
		value := string(m.Value)
		if v, ok := rawjson.Text(m.Value); ok {
			value, metadata[i].Value = v, rawjson.Encode(v)
		}
		size += utf8.RuneCountInString(m.Key) + utf8.RuneCountInString(value)
	}
	if size > maxMetadata {
		return nil, tooLong("metadata", maxMetadata)
	}
	return metadata, nil
}

// refusedByChannel is what passes Ping++ and fails at the channel.
func refusedByChannel(_ rawjson.Object, p *params, _ time.Time) *apiError {
	ch := p.channel
	if !ch.orderNo.MatchString(p.orderNo) {
		return channelRefusal(ch.name, ch.family.orderNoBad)
	}
	if !ch.family.emoji && (hasAstral(p.subject) || hasAstral(p.body)) {
		return channelRefusal(ch.name, "输入源“/body/xml/body”映射到值字段“商品描述”字符串规则校验失败，包含不支持的字符")
	}
	return nil
}

// hasAstral tells emoji and other characters outside the Basic Multilingual Plane.
func hasAstral(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF })
}

func requiredText(in rawjson.Object, param string) (string, *apiError) {
	raw, ok := in.Get(param)
	if !ok || rawjson.IsNull(raw) {
		return "", missingParam(param)
	}
	v, ok := rawjson.Text(raw)
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
