package check

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/wechat"
)

// How far our clock may be from Ping++'s: it refuses what is signed a quarter of an hour off.
const (
	clockWarn = 30 * time.Second
	clockMost = 5 * time.Minute
)

// provider asks Ping++ once, and sees by the answer whether it is there, takes the key and the signature, has our time, and is who webhook_key says.
func (s *Site) provider(ctx context.Context) []Finding {
	seen, err := s.Pingpp(ctx)
	reached, key, signing := verdicts(err)
	found := []Finding{reached, key}
	if s.Own != nil {
		found = append(found, signing)
	}
	return append(found, s.clock(seen), s.webhookKey(seen))
}

// verdicts reads what Ping++ thinks of us out of its answer.
func verdicts(err error) (reached, key, signing Finding) {
	reached = of("pingpp", OK, say("Ping++ answers", "Ping++ 响应正常"), Words{})
	key = of("pingpp-key", OK, say("Ping++ takes the key", "Ping++ 接受该密钥"), Words{})
	signing = of("signing-key", OK, say("Ping++ takes our signature", "Ping++ 接受我方签名"), Words{})
	if err == nil {
		return reached, key, signing
	}
	unknown := say("not known, since Ping++ gave no answer to go by", "未知：Ping++ 没有给出可用的响应")
	e, ok := errors.AsType[*pingpp.Error](err)
	if !ok {
		e = &pingpp.Error{Kind: pingpp.Unavailable, Message: err.Error()}
	}
	said := strings.ToLower(e.Message)
	signature := strings.Contains(said, "signature") || strings.Contains(said, "签名")
	switch {
	case e.Kind == pingpp.InvalidRequest && (strings.Contains(said, "timestamp") || strings.Contains(said, "时间戳")): // the clock's finding
		signing = of("signing-key", Unknown, say("not known before the clock is right", "时钟校准前未知"), Words{})
	case signature && (e.Kind == pingpp.InvalidRequest || e.Kind == pingpp.Authentication):
		signing = of("signing-key", Fail, say("Ping++ refuses our signature: the public key in its dashboard is not that of signing_key (or the test and the live pair are swapped)",
			"Ping++ 拒绝我方签名：管理平台中的公钥与 signing_key 不是一对（或测试与正式的密钥对弄反了）"),
			say("print the public half of signing_key and enter it in the dashboard, for this app and mode", "请输出 signing_key 的公钥，并填入管理平台中该应用、该模式的设置"),
			"openssl pkey -in merchant.pem -pubout")
	case e.Kind == pingpp.Authentication:
		key = of("pingpp-key", Fail, say("Ping++ refuses the key: %s", "Ping++ 拒绝该密钥：%s", e.Message),
			say("copy the secret key of this app from Ping++'s dashboard once more", "请从 Ping++ 管理平台重新复制该应用的 Secret Key"))
		signing = of("signing-key", Unknown, unknown, Words{})
	case e.Kind == pingpp.NotFound || e.Kind == pingpp.InvalidRequest:
		key = of("pingpp-key", Fail, say("Ping++ does not know this app with this key: %s", "Ping++ 不认识这组应用与密钥：%s", e.Message),
			say("compare app and key in Ping++'s dashboard: both have to be of one account", "请在 Ping++ 管理平台核对 app 与 key：两者须属于同一账户"))
	case e.Kind == pingpp.Foreign || e.Kind == pingpp.Malformed || e.Kind == pingpp.RateLimit:
		reached = of("pingpp", Unknown, say("Ping++ answers, but not so that anything could be learned: %s", "Ping++ 有响应，但无法得出结论：%s", e.Error()), say("run the check again", "请重新检查"))
		key, signing = of("pingpp-key", Unknown, unknown, Words{}), of("signing-key", Unknown, unknown, Words{})
	default:
		reached = of("pingpp", Fail, say("Ping++ cannot be reached: %s", "无法连接 Ping++：%s", e.Error()),
			say("let this machine reach api.pingxx.com by HTTPS (DNS, firewall, HTTPS_PROXY)", "请让本机能通过 HTTPS 访问 api.pingxx.com（DNS、防火墙、HTTPS_PROXY）"),
			"curl -sS -o /dev/null -w '%{http_code}\\n' https://api.pingxx.com/v1/charges")
		key, signing = of("pingpp-key", Unknown, unknown, Words{}), of("signing-key", Unknown, unknown, Words{})
	}
	return reached, key, signing
}

// clock compares the time of Ping++'s answer with ours.
func (s *Site) clock(seen pingpp.Probed) Finding {
	if seen.Date.IsZero() {
		return of("clock", Unknown, say("nothing to compare the clock with: Ping++ named no time", "无从核对时钟：Ping++ 没有给出时间"), Words{})
	}
	off := s.Now().Sub(seen.Date).Round(time.Second)
	fix := say("let the machine keep its time by NTP: timedatectl set-ntp true", "请启用 NTP 校时：timedatectl set-ntp true")
	switch {
	case off.Abs() > clockMost:
		return of("clock", Fail, say("the clock is %s off Ping++'s: signed requests and events will be refused", "时钟与 Ping++ 相差 %s：签名的请求和事件会被拒绝", off), fix, "timedatectl status")
	case off.Abs() > clockWarn:
		return of("clock", Warn, say("the clock is %s off Ping++'s", "时钟与 Ping++ 相差 %s", off), fix, "timedatectl status")
	}
	return of("clock", OK, say("the clock is right", "时钟准确"), Words{})
}

// webhookKey finds a key with which no webhook verifies. Ping++ signs its answers as it signs webhooks.
func (s *Site) webhookKey(seen pingpp.Probed) Finding {
	fix := say("copy Ping++'s public key (Ping++ 公钥) from its dashboard into the file that webhook_key names", "请把管理平台中的 Ping++ 公钥复制到 webhook_key 所指的文件")
	for _, key := range s.Webhook {
		if s.Own != nil && key.Equal(s.Own) {
			return of("webhook-key", Fail, say("webhook_key is your own public key, with which no webhook of Ping++ verifies", "webhook_key 是你自己的公钥，无法校验 Ping++ 的 Webhook"), fix)
		}
	}
	v, err := pingpp.NewVerifier(s.Webhook...)
	switch {
	case err != nil:
		return of("webhook-key", Fail, say("webhook_key cannot be used: %s", "webhook_key 不可用：%s", err), fix)
	case seen.Signature == "":
		return of("webhook-key", OK, say("webhook_key is not your own; whether it is Ping++'s shows with the first webhook", "webhook_key 不是你自己的公钥；是否为 Ping++ 的公钥，要看第一个 Webhook"), Words{})
	case v.Verify(seen.Body, []string{seen.Signature}) != nil:
		return of("webhook-key", Fail, say("webhook_key is not Ping++'s: its answers do not verify with it, and so will no webhook", "webhook_key 不是 Ping++ 的公钥：无法校验其响应，也就无法校验 Webhook"), fix)
	}
	return of("webhook-key", OK, say("webhook_key is Ping++'s", "webhook_key 是 Ping++ 的公钥"), Words{})
}

// wechat asks WeChat about one account.
func (s *Site) wechat(ctx context.Context, kind string) []Finding {
	names := map[string]string{"wx_lite": "wechat wx_lite", "wx_pub": "wechat wx_pub"}
	name := names[kind]
	err := s.WeChat[kind](ctx)
	e, ok := errors.AsType[*wechat.Error](err)
	switch {
	case err == nil, ok && e.Kind == wechat.CodeInvalid:
		return one(OK, say("%s: WeChat takes AppID and AppSecret", "%s：微信接受 AppID 和 AppSecret", name), Words{})
	case !ok:
		return one(Unknown, say("%s: %s", "%s：%s", name, err), Words{})
	}
	secret := say("copy or reset the AppSecret at mp.weixin.qq.com, 开发管理 (Development), and reload", "请在 mp.weixin.qq.com 的“开发管理”中复制或重置 AppSecret，然后重新加载配置")
	switch e.Code {
	case 40125, 40001, 41004, 40243:
		return []Finding{of("wechat-secret", Fail, say("%s: WeChat refuses the AppSecret (%d): nobody can log in", "%s：微信拒绝该 AppSecret（%d）：无人能登录", name, e.Code), secret)}
	case 40013, 41002:
		return []Finding{of("wechat-secret", Fail, say("%s: WeChat does not know the AppID (%d): nobody can log in", "%s：微信不认识该 AppID（%d）：无人能登录", name, e.Code),
			say("copy the AppID at mp.weixin.qq.com, 开发管理 (Development)", "请在 mp.weixin.qq.com 的“开发管理”中复制 AppID"))}
	case 40164:
		return []Finding{of("wechat-ip", Fail, say("%s: this server's address is not on the account's IP whitelist (40164): %s", "%s：本服务器的地址不在该账号的 IP 白名单中（40164）：%s", name, e.Message),
			say("add the address to IP白名单 at mp.weixin.qq.com, 开发管理 (Development)", "请在 mp.weixin.qq.com 的“开发管理”中把该地址加入 IP 白名单"))}
	}
	switch e.Kind {
	case wechat.Busy:
		return one(Unknown, say("%s: WeChat asks to come again later (%d)", "%s：微信要求稍后再试（%d）", name, e.Code), Words{})
	case wechat.Unavailable:
		return one(Fail, say("%s: WeChat cannot be reached: %s", "%s：无法连接微信：%s", name, e.Message),
			say("let this machine reach api.weixin.qq.com by HTTPS (DNS, firewall, HTTPS_PROXY)", "请让本机能通过 HTTPS 访问 api.weixin.qq.com（DNS、防火墙、HTTPS_PROXY）"),
			"curl -sS -o /dev/null -w '%{http_code}\\n' https://api.weixin.qq.com/sns/jscode2session")
	}
	return one(Fail, say("%s: WeChat refuses (%d): %s", "%s：微信拒绝（%d）：%s", name, e.Code, e.Message), secret)
}
