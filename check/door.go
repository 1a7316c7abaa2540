package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Door is where Ping++'s webhooks come in.
type Door struct {
	URL     string // to be entered in Ping++'s dashboard
	Listen  string // host:port where this Caddy listens for it; empty: not known, as with a proxy in front
	Outside bool   // the name in the URL is one of the internet's, so that Ping++ finds it by DNS
	Nodes   bool   // other processes may answer it as well as this one: their ledger is one database

	// Expect makes this process answer the next request that carries the text in KnockHeader, and says whether one came, until forget.
	Expect func(secret string) (came func() bool, forget func())
	Random func() string
	Roots  *x509.CertPool // nil: the system's
}

// KnockHeader tells this Caddy that a request is its own check. What begins with X-Pay- is taken out of requests.
const KnockHeader = "Caddypay-Check"

// KnockUnknown is what the same header holds in the answer of a caddypay that expects no such request: it is another process than the one that asks.
const KnockUnknown = "not mine"

// knock asks for the URL, at an address or where its name leads. other: a caddypay answers, and it is not this process.
func (d *Door) knock(ctx context.Context, address string) (ours, other bool, status int, err error) {
	secret := d.Random()
	came, forget := d.Expect(secret)
	defer forget()
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // whose it is, is another check's
	if address != "" {
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, nil)
	if err != nil {
		return false, false, 0, err
	}
	req.Header.Set(KnockHeader, secret)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return false, false, 0, err
	}
	_ = resp.Body.Close()
	return came(), resp.Header.Get(KnockHeader) == KnockUnknown, resp.StatusCode, nil
}

// webhookURL makes sure that what is sent to the webhook's URL comes to us.
func (s *Site) webhookURL(ctx context.Context) []Finding {
	d := s.Door
	if d.Listen != "" {
		ours, other, status, err := d.knock(ctx, d.Listen)
		switch {
		case err != nil:
			return one(Fail, say("this Caddy does not serve %s: %s", "此 Caddy 没有提供 %s：%s", d.URL, err),
				say("see that the site's address and port are those of the URL", "请确认站点的地址和端口与该 URL 一致"))
		case !ours && other:
			return one(Fail, say("another process of caddypay listens for %s too: each webhook goes to either one", "另有一个 caddypay 进程也在监听 %s：每个 Webhook 可能由其中任何一个接收", d.URL),
				say("stop the one that is not meant: Caddys that are started twice share their ports", "请停止多余的那个：重复启动的 Caddy 会共用端口"), "pgrep -af caddy")
		case !ours:
			return one(Fail, say("something else than pay answers %s (status %d): Ping++ would take that for a receipt", "响应 %s 的不是 pay（状态 %d）：Ping++ 会把它当作已接收", d.URL, status),
				say("put pay directly into the site, not into a handle or route that another comes before, and without order lines", "请把 pay 直接写在站点中，不要放在会被其他 handle 或 route 抢先匹配的块里，也不要写 order"))
		case status == http.StatusForbidden:
			return one(Fail, say("%s is refused, since it seems to come by plain HTTP", "%s 被拒绝，因为看起来是通过明文 HTTP 访问的", d.URL),
				say("name the proxy in trusted_proxies, or write allow_http where all before it is HTTPS", "请在 trusted_proxies 中写明代理；若前面全是 HTTPS，可写 allow_http"))
		}
	}
	if !d.Outside {
		return one(OK, say("this Caddy answers %s", "此 Caddy 响应 %s", d.URL), Words{})
	}
	ours, other, status, err := d.knock(ctx, "")
	switch {
	case err != nil:
		return one(Unknown, say("whether Ping++ reaches %s could not be seen from this machine: %s", "从本机看不出 Ping++ 能否访问 %s：%s", d.URL, err),
			say("try it from another network", "请在其他网络中尝试"), fmt.Sprintf("curl -sS -o /dev/null -w '%%{http_code}\\n' -X POST %s", d.URL))
	case !ours && other && d.Nodes:
		return one(Unknown, say("another caddypay than this one answers %s; whether it is a node of the same ledger cannot be seen from here", "响应 %s 的是另一个 caddypay；从这里看不出它是否为同一账本的节点", d.URL),
			say("nothing, if it is one; else let the domain's DNS record and the load balancer lead to the nodes of this ledger", "若是则无需处理；否则请让域名的 DNS 记录和负载均衡指向此账本的节点"))
	case !ours && other:
		return one(Fail, say("another process of caddypay than this one answers %s", "响应 %s 的是另一个 caddypay 进程", d.URL),
			say("if it runs on this machine, stop the one that is not meant: Caddys that are started twice share their ports; else let the domain's DNS record lead here",
				"若它在本机运行，请停止多余的那个：重复启动的 Caddy 会共用端口；否则请让域名的 DNS 记录指向本机"), "pgrep -af caddy")
	case !ours:
		return one(Fail, say("%s leads elsewhere: the answer (status %d) is not from this Caddy", "%s 指向了别处：响应（状态 %d）不是来自此 Caddy", d.URL, status),
			say("let the domain's DNS record lead to this machine, and the proxy or CDN before it pass POST on", "请让域名的 DNS 记录指向本机，并让前面的代理或 CDN 转发 POST 请求"))
	}
	return one(OK, say("this Caddy answers %s; enter it in Ping++'s dashboard", "此 Caddy 响应 %s；请在 Ping++ 管理平台填写", d.URL), Words{})
}

// certificate looks at what a client of the site is shown.
func (s *Site) certificate(ctx context.Context) []Finding {
	u, err := url.Parse(s.Door.URL)
	if err != nil || u.Scheme != "https" || s.Door.Listen == "" {
		return one(OK, say("certificates are not this Caddy's business here", "此处的证书不由此 Caddy 负责"), Words{})
	}
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}} // verified below, with words for it
	conn, err := dialer.DialContext(ctx, "tcp", s.Door.Listen)
	if err != nil {
		return one(Fail, say("no certificate for %s: %s", "%s 没有证书：%s", u.Hostname(), err),
			say("see Caddy's log for why none could be had: the domain has to lead here, and ports 80 and 443 to be open", "请在 Caddy 日志中查看原因：域名须指向本机，且 80 和 443 端口须开放"))
	}
	defer conn.Close()
	certs := conn.(*tls.Conn).ConnectionState().PeerCertificates
	leaf := certs[0]
	left := leaf.NotAfter.Sub(s.Now())
	renew := say("see Caddy's log for why it was not renewed; Caddy renews when a third of the life is left", "请在 Caddy 日志中查看未续期的原因；Caddy 会在有效期剩三分之一时续期")
	switch {
	case left <= 0:
		return one(Fail, say("the certificate of %s ended on %s", "%s 的证书已于 %s 过期", u.Hostname(), leaf.NotAfter.Format(zoned)), renew)
	case leaf.VerifyHostname(u.Hostname()) != nil:
		return one(Fail, say("the certificate is not for %s", "证书不属于 %s", u.Hostname()), renew)
	case s.Door.Outside && !trusted(certs, s.Door.Roots, s.Now()):
		return one(Fail, say("the certificate of %s is of no authority that the world trusts (%s): neither WeChat nor Ping++ connects", "%s 的证书不是公认机构签发的（%s）：微信和 Ping++ 都不会连接", u.Hostname(), cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String())),
			say("take tls internal and local_certs out of the configuration", "请从配置中删去 tls internal 和 local_certs"))
	case leaf.NotAfter.Sub(leaf.NotBefore) > 7*24*time.Hour && left < 14*24*time.Hour: // short ones are renewed more often
		return one(Warn, say("the certificate of %s ends in %d days", "%s 的证书将在 %d 天后过期", u.Hostname(), int(left.Hours()/24)), renew)
	}
	lasts := say("%d days", "%d 天", int(left.Hours()/24))
	if left < 48*time.Hour {
		lasts = say("%d hours", "%d 小时", int(left.Hours()))
	}
	return one(OK, say("the certificate of %[1]s is good until %[2]s, for %[3]s", "%[1]s 的证书有效期至 %[2]s，还剩 %[4]s",
		u.Hostname(), leaf.NotAfter.Format(time.DateOnly), lasts.EN, lasts.ZH), Words{})
}

func trusted(certs []*x509.Certificate, roots *x509.CertPool, now time.Time) bool {
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	return err == nil
}
