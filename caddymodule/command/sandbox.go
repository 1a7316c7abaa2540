package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/sandbox"
)

// SandboxOptions are the flags of `caddy pay sandbox` as the directive pay_sandbox has them; what is empty is made.
type SandboxOptions struct {
	App, TestKey, LiveKey                string
	MerchantKey, SigningKey              string // PEM files
	AppID, Secret                        string // of the mini program: both or neither
	Webhooks, LiveWebhooks, TestWebhooks []string
	PublicURL                            string
	Managed                              bool
	TimeScale                            float64
	Dir                                  string             // keeps keys from one run to the next
	Sent                                 func(sandbox.Sent) // hears of each try of a webhook
}

func sandboxCommand(build func(SandboxOptions) (*sandbox.Sandbox, string, error)) *cobra.Command {
	var s SandboxOptions
	var listen string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Emulates Ping++ and WeChat",
		Long: `
Emulates what a merchant touches of Ping++ and WeChat: charges, webhooks, request signatures, and a mini program's login
codes. It moves no money. Keys that are not given are made and shown, and kept for the next time, as are those that are given.
Each webhook that it sends is printed, with what came back. Its levers are under /sandbox/:

  curl -X POST http://localhost:8484/sandbox/charges/ch_…/pay      as if the user had paid
  curl http://localhost:8484/sandbox/state                         what it has seen and done
  curl -d '{"on":"create_charge","fault":"502"}' http://localhost:8484/sandbox/faults
                                                                   the next charge fails
docs/sandbox.md lists all levers and faults.

A login code like sandbox-alice works once, as the login of a user named alice. The code that WeChat's developer tools give
without an AppID always works.`,
		Example: `  caddy pay sandbox --webhook https://localhost/pay/webhooks
  caddy pay sandbox --listen localhost:9000 --time_scale 60`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if s.Dir == "" {
				s.Dir = filepath.Join(caddy.AppDataDir(), "pay", "sandbox")
			}
			return runSandbox(cmd, build, s, listen, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "localhost:8484", "The address to listen on, plain HTTP")
	f.StringVar(&s.Dir, "dir", "", "The folder that keeps keys from one run to the next (default: pay/sandbox in Caddy's data directory)")
	f.StringVar(&s.App, "app", "", "The Ping++ app id (default: made)")
	f.StringVar(&s.TestKey, "test_key", "", "The secret key of test mode (default: made)")
	f.StringVar(&s.LiveKey, "live_key", "", "The secret key of live mode (default: made)")
	f.StringVar(&s.MerchantKey, "merchant_key", "", "The merchant's public key, a PEM file; requests must then be signed")
	f.StringVar(&s.SigningKey, "signing_key", "", "The private key that signs webhooks, a PEM file (default: made)")
	f.StringVar(&s.AppID, "wx_lite_app_id", "", "The mini program's appid (default: made)")
	f.StringVar(&s.Secret, "wx_lite_secret", "", "The mini program's AppSecret (default: made)")
	f.StringSliceVar(&s.Webhooks, "webhook", nil, "Where webhooks of both modes are sent; may be given several times")
	f.StringSliceVar(&s.LiveWebhooks, "webhook_live", nil, "Where webhooks of live mode are sent as well")
	f.StringSliceVar(&s.TestWebhooks, "webhook_test", nil, "Where webhooks of test mode are sent as well")
	f.StringVar(&s.PublicURL, "public_url", "", "Where a browser finds the sandbox, for QR codes of test charges (default: as the client that created the charge did)")
	f.BoolVar(&s.Managed, "managed", false, "WeChat holds the mini program's money until shipping is reported")
	f.Float64Var(&s.TimeScale, "time_scale", 1, "Divides every wait of webhooks and refunds")
	f.BoolVar(&asJSON, "json", false, "Print what was made, and then each webhook, as one line of JSON")
	return cmd
}

func runSandbox(cmd *cobra.Command, build func(SandboxOptions) (*sandbox.Sandbox, string, error), s SandboxOptions, listen string, asJSON bool) error {
	if !(s.TimeScale >= 1 && s.TimeScale <= 1e9) { // NaN too
		return fmt.Errorf("--time_scale takes a factor from 1 to 1e9, not %g", s.TimeScale)
	}
	if (s.AppID == "") != (s.Secret == "") {
		return errors.New("give --wx_lite_app_id and --wx_lite_secret both, or neither")
	}
	var err error
	if s.Dir, err = filepath.Abs(s.Dir); err != nil { // a Caddyfile may stand elsewhere
		return err
	}
	out := cmd.OutOrStdout()
	s.Sent = (&sentPrinter{w: out, json: asJSON}).print
	box, webhookKey, err := build(s)
	if err != nil {
		return err
	}
	defer box.Close()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	url := "http://" + ln.Addr().String()
	made := struct {
		URL          string   `json:"url"`
		Dir          string   `json:"dir"`
		WebhookKey   string   `json:"webhook_key"`
		App          string   `json:"app"`
		TestKey      string   `json:"test_key"`
		LiveKey      string   `json:"live_key"`
		WxLiteAppID  string   `json:"wx_lite_app_id"`
		WxLiteSecret string   `json:"wx_lite_secret"`
		WxPubAppID   string   `json:"wx_pub_app_id"`
		WxPubSecret  string   `json:"wx_pub_secret"`
		Webhooks     []string `json:"webhook"`
		LiveWebhooks []string `json:"webhook_live"`
		TestWebhooks []string `json:"webhook_test"`
	}{url, s.Dir, webhookKey, box.App(), box.TestKey(), box.LiveKey(), box.WxLite().AppID, box.WxLite().Secret, box.WxPub().AppID, box.WxPub().Secret, append([]string{}, s.Webhooks...), append([]string{}, s.LiveWebhooks...), append([]string{}, s.TestWebhooks...)}
	if asJSON {
		if err := json.NewEncoder(out).Encode(made); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, `Ping++ and WeChat are emulated at %[1]s

    app         %[2]s
    test key    %[3]s
    live key    %[4]s
    appid       %[5]s
    AppSecret   %[6]s
    kept in     %[9]s

In the Caddyfile:

    pay {
        pingpp {
            app         %[2]s
            key         %[3]s
            webhook_key "%[10]s"
            endpoint    %[1]s
        }
        wechat wx_lite {
            app_id   %[5]s
            secret   %[6]s
            endpoint %[1]s
        }
        wechat wx_pub {
            app_id   %[7]s
            secret   %[8]s
            endpoint %[1]s
        }
    }

`, made.URL, made.App, made.TestKey, made.LiveKey, made.WxLiteAppID, made.WxLiteSecret, made.WxPubAppID, made.WxPubSecret, made.Dir, made.WebhookKey)
		if len(s.Webhooks)+len(s.LiveWebhooks)+len(s.TestWebhooks) == 0 {
			fmt.Fprintln(out, "No webhooks are sent: name where with --webhook https://localhost/pay/webhooks")
		}
	}
	srv := &http.Server{Handler: box, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
