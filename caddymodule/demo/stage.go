package demo

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// Host is what the demo shares with the sites that it runs.
type Host struct {
	// Ledger shares the ledger in a file, of a Caddy that has its storage in a folder; release gives it back, and waits until that Caddy
	// has too.
	Ledger func(file, storage string) (open func(context.Context) (ledger.Ledger, error), release func(), err error)
	// WebhookClient sends webhooks to sites whose certificates are of Caddy's local authority.
	WebhookClient func() *http.Client
}

// Command is the verb demo of `caddy pay`.
func Command(h Host) *cobra.Command {
	var port int
	var once, asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Makes one payment from login to delivered event, on this machine alone",
		Long: `
Runs a small legacy shop, an emulated Ping++ and WeChat, and Caddy with HTTPS of its own in front of them, and makes one
payment: login, price, charge, webhook, delivery; then another whose money WeChat keeps until it is told how the order is shipped. Nothing is
installed, nothing leaves this machine, no money moves.

It then stays up until Ctrl+C with a page that plays the phone: buy something, and watch each step light up, with what the
shop's backend sees beside it; the operator's console is behind it. With --once it exits instead: 0 when the payment went through, and 1 naming the step that
failed otherwise.`,
		Example: `  caddy pay demo
  caddy pay demo --once --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return run(ctx, h, port, once, newPrinter(cmd.OutOrStdout(), asJSON))
		},
	}
	f := cmd.Flags()
	f.IntVar(&port, "port", 8443, "The port of the site, https://localhost:<port>")
	f.BoolVar(&once, "once", false, "Exit after the payment")
	f.BoolVar(&asJSON, "json", false, "Print one line of JSON for each step")
	return cmd
}

// stage is all that a demo needs: a shop, an emulated Ping++ and WeChat, and Caddy in front.
type stage struct {
	host    Host
	dir     string // everything that is written
	site    string // https://localhost:8443
	box     *sandbox.Sandbox
	boxURL  string
	shop    *legacyshop.Shop
	page    *Page
	ledger  func(context.Context) (ledger.Ledger, error)
	client  *http.Client // trusts Caddy's local authority for this run
	closers []func()
}

func run(ctx context.Context, h Host, port int, once bool, out *printer) (err error) {
	d := &stage{host: h, site: fmt.Sprintf("https://localhost:%d", port)}
	defer func() { d.close(err) }()
	if err := d.start(ctx, port, out); err != nil {
		return err
	}
	if err := d.pay(ctx, out); err != nil {
		return err
	}
	if err := d.ship(ctx, out); err != nil {
		return err
	}
	if once {
		return nil
	}
	out.stay(d)
	<-ctx.Done()
	return nil
}

// start sets the stage, up to a site that answers over HTTPS.
func (d *stage) start(ctx context.Context, port int, out *printer) (err error) {
	// Say it before anything starts: Caddy would only fail while it loads.
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("%w; choose another port with --port", err)
	}
	_ = ln.Close()
	if d.dir, err = os.MkdirTemp("", "caddypay-demo-"); err != nil {
		return err
	}
	token := rand.Text() + rand.Text()
	d.shop = legacyshop.New(token, "test")
	signing, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	d.box, err = sandbox.New(sandbox.Config{
		MerchantKey: &signing.PublicKey, TestWebhooks: []string{d.site + "/pay/webhooks"}, LiveWebhooks: []string{d.site + "/live/webhooks"},
		WebhookClient: d.host.WebhookClient(), PublicURL: d.site, TimeScale: 60, Managed: true, Logger: zap.NewNop(),
	})
	if err != nil {
		return err
	}
	atOnce := int64(0)
	if _, err := d.box.SetProgram(sandbox.WeChatSetting{Delay: &atOnce}); err != nil { // else the first report would come before WeChat knows the payment
		return err
	}
	boxAddr, err := d.serve(d.box)
	if err != nil {
		return err
	}
	d.boxURL = "http://" + boxAddr
	if err := d.writeKeys(signing); err != nil {
		return err
	}
	if err := d.openLedger(); err != nil {
		return err
	}
	d.page = New(d.box, d.shop, ledger.Scope{App: d.box.App(), Mode: ledger.Test}, d.ledger)
	d.shop.OnStep(func(step, text string) {
		out.note(step, text)
		d.page.Note(step, text)
	})
	shopAddr, err := d.serve(d.page.Backend(d.shop))
	if err != nil {
		return err
	}
	liveAddr, err := d.serve(legacyshop.New(token, "live"))
	if err != nil {
		return err
	}
	pageAddr, err := d.serve(d.page)
	if err != nil {
		return err
	}
	return out.step("https", func() (string, error) { return d.startCaddy(ctx, port, shopAddr, liveAddr, pageAddr, token) })
}

// openLedger shares the ledger of the site that is about to start.
func (d *stage) openLedger() error {
	open, release, err := d.host.Ledger(filepath.Join(d.dir, "ledger.db"), filepath.Join(d.dir, "storage"))
	if err != nil {
		return err
	}
	d.ledger = open
	d.closers = append(d.closers, release)
	return nil
}

// serve runs a handler on a free port of the loopback interface.
func (d *stage) serve(h http.Handler) (addr string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	d.closers = append(d.closers, func() { _ = srv.Close() })
	return ln.Addr().String(), nil
}

func (d *stage) writeKeys(signing *rsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(signing)
	if err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return errors.Join(
		os.WriteFile(filepath.Join(d.dir, "merchant.pem"), private, 0o600),
		os.WriteFile(filepath.Join(d.dir, "pingpp.pub.pem"), d.box.PublicKeyPEM(), 0o600),
	)
}

// caddyfile is an ordinary Caddyfile with a pay block; only the global options are special to a demo.
const caddyfile = `{
	admin off
	default_bind 127.0.0.1
	persist_config off
	grace_period 1s
	skip_install_trust
	local_certs
	auto_https disable_redirects
	storage file_system "{DIR}/storage"
	log {
		level ERROR
	}
	log file {
		output file "{DIR}/caddy.log" {
			roll_disabled
		}
	}
	pay {
		ledger sqlite "{DIR}/ledger.db"
	}
}

https://localhost:{PORT} {
	pay {
		pingpp {
			app         {APP}
			key         {KEY}
			signing_key "{DIR}/merchant.pem"
			webhook_key "{DIR}/pingpp.pub.pem"
			endpoint    {SANDBOX}
			channels    wx_lite wx_pub_qr alipay_qr wx_wap
		}
		wechat wx_lite {
			app_id   {APPID}
			secret   {SECRET}
			endpoint {SANDBOX}
		}
		upstream {SHOP}
		backend_token {TOKEN}
		orders GET /internal/pay/orders/{order_no} {
			max 2000000
		}
		events POST /internal/pay/events {
			expect body success
			retry 1s 1s 2s 3s 3s 5s 5s 10s 30s 1m 10m
		}
		checkout {
			channels   wx_wap wx_pub_qr alipay_qr
			return_url https://localhost:{PORT}/
		}
		shop_name "茶铺 Tea shop"
		accent "#067d3e"
	}
	# A second shop, which is live: WeChat keeps the money of such payments until it is told how they were shipped.
	pay /live {
		pingpp {
			app         {APP}
			key         {LIVEKEY}
			signing_key "{DIR}/merchant.pem"
			webhook_key "{DIR}/pingpp.pub.pem"
			endpoint    {SANDBOX}
			channels    wx_lite
		}
		wechat wx_lite {
			app_id   {APPID}
			secret   {SECRET}
			endpoint {SANDBOX}
		}
		upstream {LIVESHOP}
		backend_token {TOKEN}
		orders GET /internal/pay/orders/{order_no}
		events POST /internal/pay/events {
			expect body success
		}
		shipping {
			auto pickup "{subject}"
		}
	}
	handle /live-shop/orders {
		uri strip_prefix /live-shop
		reverse_proxy {LIVESHOP}
	}
	redir /console /console/
	handle_path /console/* {
		vars operator demo
		pay_console {
			by {vars.operator}
		}
	}
	@page path {PATHS}
	reverse_proxy @page {PAGE}
	reverse_proxy {SHOP}
}
`

// startCaddy runs Caddy in this process and waits for its certificate.
func (d *stage) startCaddy(ctx context.Context, port int, shop, live, page, token string) (saw string, err error) {
	file := strings.NewReplacer("{DIR}", d.dir, "{PORT}", fmt.Sprint(port), "{APP}", d.box.App(), "{KEY}", d.box.TestKey(),
		"{LIVEKEY}", d.box.LiveKey(), "{LIVESHOP}", live,
		"{SANDBOX}", d.boxURL, "{APPID}", d.box.WxLite().AppID, "{SECRET}", d.box.WxLite().Secret,
		"{SHOP}", shop, "{PAGE}", page, "{PATHS}", Paths, "{TOKEN}", token).Replace(caddyfile)
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	if err := caddy.Load(cfg, true); err != nil {
		return "", err
	}
	d.closers = append(d.closers, func() { _ = caddy.Stop() })

	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for { // the certificate takes a moment
		cert, err := d.handshake(ctx)
		if err == nil {
			return fmt.Sprintf("%s, certificate by %s", d.site, cert.Issuer.CommonName), nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("no certificate within 30s: %w", err)
		}
	}
}

// handshake makes a client that trusts the local authority of this run, and connects.
func (d *stage) handshake(ctx context.Context) (*x509.Certificate, error) {
	root, err := os.ReadFile(filepath.Join(d.dir, "storage", "pki", "authorities", "local", "root.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	d.client = &http.Client{Transport: transport, Timeout: 40 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.site+"/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	return resp.TLS.PeerCertificates[0], nil
}

// close takes the stage down. After a failure the files stay, for the log.
func (d *stage) close(err error) {
	// The clients go before the servers, which wait for connections that are idle.
	if d.client != nil {
		d.client.CloseIdleConnections()
	}
	if d.box != nil {
		d.box.Close()
	}
	for _, f := range slices.Backward(d.closers) {
		f()
	}
	if d.dir == "" {
		return
	}
	if err == nil {
		_ = os.RemoveAll(d.dir)
		return
	}
	fmt.Fprintf(os.Stderr, "Caddy's log is in %s\n", filepath.Join(d.dir, "caddy.log"))
}
