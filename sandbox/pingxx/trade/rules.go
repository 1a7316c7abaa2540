package trade

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
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
	channel     *channel.Channel
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
func (cs *Charges) readParams(body []byte, now time.Time) (*params, *apierr.Error) {
	in, refusal := parseParams(body, knownParams)
	if refusal != nil {
		return nil, refusal
	}
	p := &params{}
	for _, check := range []func(rawjson.Object, *params, time.Time) *apierr.Error{
		cs.readApp, readChannel, readTexts, readAmount, readClientIP, readExtra, readExpire, readMetadata,
	} {
		if refusal := check(in, p, now); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := p.channel.Refuses(p.orderNo, p.subject, p.body); refusal != nil {
		return nil, refusal
	}
	return p, nil
}

// parseParams reads a request's body, which may have no members but the known ones.
func parseParams(body []byte, known []string) (rawjson.Object, *apierr.Error) {
	in, err := rawjson.Parse(body)
	if err != nil {
		return nil, apierr.BadParam("", "请求体解析失败: 不是一个合法的 json 格式字符串", "Failed to parse the request body: not a valid JSON object")
	}
	for _, m := range in {
		if !slices.Contains(known, m.Key) {
			return nil, apierr.UnknownParam(m.Key)
		}
	}
	return in, nil
}

func (cs *Charges) readApp(in rawjson.Object, _ *params, _ time.Time) *apierr.Error {
	raw, ok := in.Get("app")
	if !ok || rawjson.IsNull(raw) {
		return apierr.MissingParam("app[id]")
	}
	app, err := rawjson.Parse(raw)
	if err != nil {
		return apierr.BadParam("app", "app 必须是键值对，包含 id。", "app must be an object with an id.")
	}
	raw, _ = app.Get("id")
	id, ok := rawjson.Text(raw)
	if !ok || id == "" {
		return apierr.MissingParam("app[id]")
	}
	return cs.checkApp(id)
}

func (cs *Charges) checkApp(id string) *apierr.Error {
	if id != cs.app {
		return apierr.NotFound("app", id, "app[id]")
	}
	return nil
}

func readChannel(in rawjson.Object, p *params, _ time.Time) *apierr.Error {
	name, refusal := requiredText(in, "channel")
	if refusal != nil {
		return refusal
	}
	p.channel = channel.Find(name)
	if p.channel == nil {
		return apierr.BadParam("channel", "支付渠道 "+name+" 未开通或不存在。", "The channel "+name+" is not enabled or does not exist.")
	}
	return nil
}

func readTexts(in rawjson.Object, p *params, _ time.Time) *apierr.Error {
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
			return apierr.TooLong(f.param, f.max)
		}
		*f.into = v
	}
	if most := p.channel.SubjectBytes; most > 0 && len(p.subject) > most {
		n := strconv.Itoa(most)
		return apierr.BadParam("subject", "渠道 "+p.channel.Name+" 的 subject 不能超过 "+n+" 个字节。", "The channel "+p.channel.Name+" takes at most "+n+" bytes of subject.")
	}
	if most := p.channel.BodyText; most > 0 && utf8.RuneCountInString(p.body) > most {
		return apierr.TooLong("body", most)
	}
	if !slices.Contains(p.channel.Currencies, p.currency) {
		return apierr.BadParam("currency", "渠道 "+p.channel.Name+" 不支持货币 "+p.currency+"。", "The channel "+p.channel.Name+" does not take the currency "+p.currency+".")
	}
	if raw, ok := in.Get("description"); ok && !rawjson.IsNull(raw) {
		v, ok := rawjson.Text(raw)
		if !ok {
			return apierr.NotA("description", "字符串", "a string")
		}
		if utf8.RuneCountInString(v) > maxDescription {
			return apierr.TooLong("description", maxDescription)
		}
		p.description = &v
	}
	return nil
}

func readAmount(in rawjson.Object, p *params, _ time.Time) *apierr.Error {
	amount, given, refusal := amountOf(in)
	if refusal == nil && !given {
		refusal = apierr.MissingParam("amount")
	}
	p.amount = amount
	return refusal
}

// amountOf reads an amount in fen, if one is given.
func amountOf(in rawjson.Object) (amount int64, given bool, refusal *apierr.Error) {
	raw, ok := in.Get("amount")
	if !ok || rawjson.IsNull(raw) {
		return 0, false, nil
	}
	amount, ok = rawjson.Integer(raw)
	if !ok || amount <= 0 || amount > maxAmount {
		return 0, true, apierr.NotA("amount", "大于 0 的整数", "an integer greater than 0")
	}
	return amount, true, nil
}

func readClientIP(in rawjson.Object, p *params, _ time.Time) *apierr.Error {
	ip, refusal := requiredText(in, "client_ip")
	if refusal != nil {
		return refusal
	}
	if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
		return apierr.NotA("client_ip", "合法的 IP 地址", "a valid IP address")
	}
	p.clientIP = ip
	return nil
}

func readExtra(in rawjson.Object, p *params, _ time.Time) *apierr.Error {
	p.extra = rawjson.Object{}
	if raw, ok := in.Get("extra"); ok && !rawjson.IsNull(raw) {
		extra, err := rawjson.ParsePairs(raw)
		if err != nil {
			return apierr.BadParam("extra", "extra 必须是键值对。", "extra must consist of key/value pairs.")
		}
		p.extra = extra
	}
	return p.channel.CheckExtra(p.extra)
}

func readExpire(in rawjson.Object, p *params, now time.Time) *apierr.Error {
	p.timeExpire = now.Add(p.channel.DefaultExpire).Unix()
	raw, ok := in.Get("time_expire")
	if !ok || rawjson.IsNull(raw) {
		return nil
	}
	expire, ok := rawjson.Integer(raw)
	if !ok {
		return apierr.NotA("time_expire", "Unix 时间戳", "a Unix timestamp in seconds")
	}
	if expire < now.Add(channel.MinExpire).Unix() || expire > now.Add(p.channel.MaxExpire).Unix() {
		return apierr.BadParam("time_expire",
			"time_expire 超出范围: 渠道 "+p.channel.Name+" 允许创建后 "+channel.MinExpire.String()+" 到 "+p.channel.MaxExpire.String()+"。",
			"time_expire is out of range: the channel "+p.channel.Name+" allows "+channel.MinExpire.String()+" to "+p.channel.MaxExpire.String()+" after creation.")
	}
	p.timeExpire = expire
	return nil
}

func readMetadata(in rawjson.Object, p *params, _ time.Time) (refusal *apierr.Error) {
	p.metadata, refusal = metadataOf(in)
	return refusal
}

// metadataOf reads the metadata, empty if none is given.
func metadataOf(in rawjson.Object) (rawjson.Object, *apierr.Error) {
	raw, ok := in.Get("metadata")
	if !ok || rawjson.IsNull(raw) {
		return rawjson.Object{}, nil
	}
	metadata, err := rawjson.ParsePairs(raw)
	if err != nil {
		return nil, apierr.BadParam("metadata", "metadata 必须是键值对。", "metadata must consist of key/value pairs.")
	}
	if len(metadata) > maxPairs {
		return nil, apierr.BadParam("metadata", "metadata 最多 10 个键值对。", "metadata has at most 10 key/value pairs.")
	}
	size := 0
	for i, m := range metadata {
		if m.Value[0] == '{' || m.Value[0] == '[' {
			return nil, apierr.BadParam("metadata", "metadata 不支持嵌套。", "metadata cannot be nested.")
		}
		value := string(m.Value)
		if v, ok := rawjson.Text(m.Value); ok {
			value, metadata[i].Value = v, rawjson.Encode(v)
		}
		size += utf8.RuneCountInString(m.Key) + utf8.RuneCountInString(value)
	}
	if size > maxMetadata {
		return nil, apierr.TooLong("metadata", maxMetadata)
	}
	return metadata, nil
}

func requiredText(in rawjson.Object, param string) (string, *apierr.Error) {
	raw, ok := in.Get(param)
	if !ok || rawjson.IsNull(raw) {
		return "", apierr.MissingParam(param)
	}
	v, ok := rawjson.Text(raw)
	if !ok {
		return "", apierr.NotA(param, "字符串", "a string")
	}
	if v == "" {
		return "", apierr.MissingParam(param)
	}
	return v, nil
}
