package shipping

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/wechat"
)

// Moments of a report, at which its process is killed.
var moments = []string{"claimed", "posting", "posted", "sending", "sent", "answering", "answered"}

// What a process that dies is told by its parent: see TestMain.
const (
	envMoment = "CADDYPAY_TEST_DIES_AT"
	envFile   = "CADDYPAY_TEST_LEDGER"
	envNow    = "CADDYPAY_TEST_NOW"
	envURL    = "CADDYPAY_TEST_WECHAT"
	envAppID  = "CADDYPAY_TEST_APPID"
	envSecret = "CADDYPAY_TEST_SECRET"
	envCert   = "CADDYPAY_TEST_CERT"
)

// Killed at any moment of a report, it is neither lost nor told twice: two processes that follow see to that.
func TestKilledAtEachStep(t *testing.T) {
	for _, moment := range moments {
		t.Run(moment, func(t *testing.T) {
			s := newStage(t)
			id := s.paid("1", true)
			s.report("1", tea)
			s.kill(moment)
			if did := s.uploads(); moment == "claimed" && did != 0 || moment == "sent" && did != 1 {
				t.Fatalf("killed when %s, %d reports are with WeChat", moment, did)
			}
			s.Clock.Add(time.Second)
			for range 2 {
				relaytest.Run(t, s.reporter(relaytest.OpenLedgerAt(t, s.file, s.Clock.Now)).Run)
			}
			relaytest.WaitFor(t, "the report is done", func() bool {
				s.Clock.Add(time.Second) // the lease of the dead ends, and what waits is due
				return s.shipment(id).Stage == ledger.ReportDone
			})
			s.want("reports at WeChat", []any{s.shipment(id).State, s.shipment(id).Uploads, s.uploads()}, []any{ledger.ShipmentReported, 1, 1})
		})
	}
}

// kill has a process do what is due, and die at a moment of it.
func (s *stage) kill(moment string) {
	s.t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), envMoment+"="+moment, envFile+"="+s.file, envNow+"="+strconv.FormatInt(s.Clock.Now().UnixMilli(), 10), envURL+"="+s.Server.URL,
		envAppID+"="+s.WxLite().AppID, envSecret+"="+s.WxLite().Secret, envCert+"="+base64.StdEncoding.EncodeToString(s.Server.Certificate().Raw))
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

// Killed while it tells a part, the part is told once, and so is what the shop reports after it.
func TestKilledBetweenParts(t *testing.T) {
	for _, moment := range []string{"posted", "sent", "answered"} {
		t.Run(moment, func(t *testing.T) {
			s := newStage(t)
			id := s.paid("1", true)
			s.report("1", part(false, "YT1"))
			s.kill(moment)
			s.report("1", part(false, "YT2"))
			s.report("1", part(false, "YT1")) // again, for whom the answer was lost
			s.Clock.Add(time.Second)
			for range 2 {
				relaytest.Run(t, s.reporter(relaytest.OpenLedgerAt(t, s.file, s.Clock.Now)).Run)
			}
			s.report("1", part(true, "YT3"))
			relaytest.WaitFor(t, "the report is done", func() bool {
				s.Clock.Add(time.Second)
				return s.shipment(id).Stage == ledger.ReportDone && s.shipment(id).State == ledger.ShipmentReported
			})
			s.want("parcels at WeChat", s.parcels(id), []string{"YT1", "YT2", "YT3"})
			s.want("the correction is left", s.shipment(id).Uploads, 1)
		})
	}
}

// die is the process that does; it returns only where it could not.
func die(moment string) error {
	ms, err := strconv.ParseInt(os.Getenv(envNow), 10, 64)
	if err != nil {
		return err
	}
	now := func() time.Time { return time.UnixMilli(ms) }
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: os.Getenv(envFile), Now: now})
	if err != nil {
		return err
	}
	der, err := base64.StdEncoding.DecodeString(os.Getenv(envCert))
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	m, err := wechat.NewMiniProgram(wechat.Config{AppID: os.Getenv(envAppID), Secret: redact.New(os.Getenv(envSecret)), Endpoint: os.Getenv(envURL),
		Transport: dyingLine{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, moment}})
	if err != nil {
		return err
	}
	storage := &memory{kept: map[string][]byte{}, locks: map[string]chan struct{}{}}
	warn := func(what string, err error) { fmt.Println(what, err) }
	r, err := New(Config{Scope: scope, Ledger: dyingLedger{l, moment}, Storage: storage, Owner: "dying", Now: now,
		Programs: map[string]*wechat.Orders{os.Getenv(envAppID): wechat.NewOrders(m, wechat.ShareToken(m, storage, now, warn), now)}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.Run(ctx)
	return errors.New("it has lived for a minute")
}

// dieAt ends the process as kill -9 does.
func dieAt(moment, at string) {
	if moment != at {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

// dyingLine is the way to WeChat of a process that dies.
type dyingLine struct {
	to     http.RoundTripper
	moment string
}

func (d dyingLine) RoundTrip(r *http.Request) (*http.Response, error) {
	if path.Base(r.URL.Path) != upload {
		return d.to.RoundTrip(r)
	}
	dieAt(d.moment, "sending")
	resp, err := d.to.RoundTrip(r)
	dieAt(d.moment, "sent")
	return resp, err
}

// dyingLedger is the ledger of a process that dies.
type dyingLedger struct {
	ledger.Ledger
	moment string
}

func (d dyingLedger) ClaimShipments(ctx context.Context, c ledger.ShipmentClaim) ([]ledger.Shipment, error) {
	claimed, err := d.Ledger.ClaimShipments(ctx, c)
	if len(claimed) > 0 {
		dieAt(d.moment, "claimed")
	}
	return claimed, err
}

func (d dyingLedger) PostShipping(ctx context.Context, l ledger.ShipmentLease, now, until time.Time) (*ledger.Shipment, error) {
	dieAt(d.moment, "posting")
	s, err := d.Ledger.PostShipping(ctx, l, now, until)
	dieAt(d.moment, "posted")
	return s, err
}

func (d dyingLedger) ShippingAnswered(ctx context.Context, l ledger.ShipmentLease, a ledger.ShippingAnswer) (*ledger.Shipment, error) {
	dieAt(d.moment, "answering")
	s, err := d.Ledger.ShippingAnswered(ctx, l, a)
	dieAt(d.moment, "answered")
	return s, err
}
