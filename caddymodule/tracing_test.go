package caddymodule

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// spans is where Caddy's tracing sends them in tests.
var spans = tracetest.NewInMemoryExporter()

var registerSpans = sync.OnceFunc(func() {
	autoexport.RegisterSpanExporter("pay_test", func(context.Context) (sdktrace.SpanExporter, error) { return spans, nil })
})

// Under Caddy's tracing a login, a charge and a payment can be followed, the payment through the ledger and into the backend's own trace.
func TestTracing(t *testing.T) {
	registerSpans()
	t.Setenv("OTEL_TRACES_EXPORTER", "pay_test")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	addr, dir := freeAddr(t), t.TempDir()
	box := must(sandbox.New(sandbox.Config{SigningKey: pingppKey(), Webhooks: []string{"http://" + addr + "/pay/webhooks"},
		WebhookClient: client(t), TimeScale: 1200}))
	t.Cleanup(box.Close)
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)
	var mu sync.Mutex
	parents := make(map[string]string) // by path, the traceparent that the backend got
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		parents[r.URL.Path] = r.Header.Get("Traceparent")
		if strings.HasPrefix(r.URL.Path, "/internal/pay/orders/") {
			_, _ = io.WriteString(w, `{"order_no":"1234","amount":100,"currency":"cny","subject":"tea","body":"tea"}`)
		}
	})
	file := globals(dir, ledgerIn(dir)) + "http://" + addr + " {\n\ttracing\n" + payBlock(t, dir, "", "allow_http", "upstream "+shop,
		"orders GET /internal/pay/orders/{order_no}", "login POST /internal/pay/login", "events POST /internal/pay/events") + "}\n"
	file = strings.NewReplacer("app app_test1", "app "+box.App()+"\n\t\t\tendpoint "+pingxx.URL, "sk_test_Mark0123456789", box.TestKey(),
		"\t\t\tsigning_key", "\t\t\t#signing_key", "app_id wx0123456789abcdef", "app_id "+box.WxLite().AppID+"\n\t\t\tendpoint "+pingxx.URL,
		"secret Mark0123456789abcdef0123456789ab", "secret "+box.WxLite().Secret).Replace(file)
	spans.Reset()
	run(t, file)

	call := func(path, body, session string) string {
		t.Helper()
		req := must(http.NewRequest(http.MethodPost, "http://"+addr+path, strings.NewReader(body)))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Pay-Session", session)
		status, answer := answered(t, req)
		if status != http.StatusOK && status != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return answer
	}
	var login struct{ Session string }
	code := box.NewCode("o-payer")
	if err := json.Unmarshal([]byte(call("/pay/openid", `{"code":"`+code+`"}`, "")), &login); err != nil {
		t.Fatal(err)
	}
	var charge struct{ ID string }
	if err := json.Unmarshal([]byte(call("/pay/charges", `{"order_no":"1234","channel":"wx_lite"}`, login.Session)), &charge); err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Post(pingxx.URL+"/sandbox/charges/"+charge.ID+"/pay", "", nil)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	all := make(map[string]tracetest.SpanStub)
	eventually(t, "all spans", func() bool {
		for _, s := range spans.GetSpans() {
			if _, ok := all[s.Name]; !ok {
				all[s.Name] = s
			}
		}
		return !slices.ContainsFunc([]string{spanWeChat, spanLogin, spanQuote, spanPingpp, spanAccept, spanDeliver}, func(name string) bool { _, ok := all[name]; return !ok })
	})
	byID := make(map[string]tracetest.SpanStub)
	for _, s := range spans.GetSpans() {
		byID[s.SpanContext.SpanID().String()] = s
	}
	for _, name := range []string{spanWeChat, spanLogin, spanQuote, spanPingpp, spanAccept} {
		if s := all[name]; byID[s.Parent.SpanID().String()].Name == "" && !s.Parent.IsRemote() {
			eventually(t, name+" is below a request", func() bool { // which ends after it
				return slices.ContainsFunc(spans.GetSpans(), func(p tracetest.SpanStub) bool { return p.SpanContext.SpanID() == s.Parent.SpanID() })
			})
		}
	}
	accept, deliver := all[spanAccept], all[spanDeliver]
	if deliver.SpanContext.TraceID() != accept.SpanContext.TraceID() || deliver.Parent.SpanID() != accept.Parent.SpanID() {
		t.Errorf("the delivery is not where its event was accepted: %v, %v", deliver.Parent, accept.Parent)
	}
	mu.Lock()
	if got := parents["/internal/pay/events"]; !strings.Contains(got, deliver.SpanContext.TraceID().String()+"-"+deliver.SpanContext.SpanID().String()) {
		t.Errorf("the backend got the traceparent %q of the delivery %v", got, deliver.SpanContext)
	}
	mu.Unlock()
	told := string(must(json.Marshal(spans.GetSpans())))
	for _, secret := range []string{code, "o-payer", box.WxLite().Secret, box.TestKey(), login.Session, testToken} {
		if strings.Contains(told, secret) {
			t.Errorf("the spans hold %.8s…", secret)
		}
	}

	// Once nobody traces any more, the backend gets what came in.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	spans.Reset()
	const kept = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	_, got, end := spanDelivering(t.Context(), &ledger.Event{ID: "evt_1", TraceParent: kept}, 1)
	end(http.StatusOK, "")
	if n := len(spans.GetSpans()); got != kept || n != 0 {
		t.Errorf("without tracing the backend gets %q, and there are %d spans", got, n)
	}
}
