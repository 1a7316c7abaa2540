package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shippingPage is the code of docs/shipping.md.
func shippingPage(t *testing.T) (auto, expect, block, answer, call string) {
	t.Helper()
	found := make(map[string]string)
	for _, s := range snippets(t, "shipping.md") {
		for what, begins := range map[string]string{"auto": "shipping {\n\tauto ", "expect": "events POST ", "block": "shipping\n", "answer": "header(", "call": "$answer = "} {
			if strings.HasPrefix(s[1], begins) {
				found[what] = s[1]
			}
		}
	}
	if n := len(snippets(t, "shipping.md")); len(found) != n || n != 5 {
		t.Fatalf("docs/shipping.md shows %d pieces of code, of which this test knows %d", n, len(found))
	}
	return found["auto"], found["expect"], found["block"], found["answer"], found["call"]
}

const shippingHead = "$orderNo = '20260101001'; $items = '绿茶 250g ×2'; $company = '顺丰'; $trackingNo = 12345; $phone = 13800001234;\n"

// TestDocsShippingFails: whatever the call of docs/shipping.md meets, DomainException says that the report is not taken, RuntimeException that the same has
// to be sent again, and neither that it is recorded.
func TestDocsShippingFails(t *testing.T) {
	_, _, _, _, call := shippingPage(t)
	const tail = "\necho 'GOES ON';\n} catch (DomainException $e) { echo 'OVER: ', $e->getMessage(); } catch (RuntimeException $e) { echo 'AGAIN: ', $e->getMessage(); }"
	for _, a := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"no server", 0, ``, "AGAIN: report the shipping of 20260101001 again"},
		{"recorded", 202, `{"order_no":"20260101001","status":"waiting","type":"express","error":null}`, "GOES ON"},
		{"reported", 200, `{"order_no":"20260101001","status":"reported","type":"express","error":null}`, "GOES ON"},
		{"invalid", 400, `{"code":"shipping_invalid","detail":"parcels[0].company is missing","field":"parcels[0].company","status":400,"title":"Shipping invalid"}`, "OVER: the shipping of 20260101001 was not taken: shipping_invalid parcels"},
		{"refused", 409, `{"code":"shipping_refused","detail":"It is refunded whole.","reason":"refunded","status":409,"title":"Shipping refused"}`, "OVER: the shipping of 20260101001 was not taken: shipping_refused It"},
		{"a wrong token", 401, `{"code":"token_invalid","detail":"The token is wrong.","status":401,"title":"Token invalid"}`, "OVER: "},
		{"too many at once", 429, `{"code":"rate_limited","detail":"Too many requests.","status":429,"title":"Rate limited"}`, "AGAIN: "},
		{"unavailable", 503, `{"code":"shipping_unavailable","detail":"Send the same again.","status":503,"title":"Shipping unavailable"}`, "AGAIN: "},
		{"a proxy's error page", 502, `<html><h1>502 Bad Gateway</h1></html>`, "AGAIN: "},
		{"nothing", 500, ``, "AGAIN: "},
		{"a page of another site", 200, `<html><h1>Welcome</h1></html>`, "AGAIN: "},
	} {
		site := newSnippetSite(t, a.status, a.body)
		out, ok := runSnippet(t, shippingHead+"try {\n"+call+tail, site.url, "php", "-d", "display_errors=1", "-d", "error_reporting=-1", "-r")
		if !ok || !strings.HasPrefix(out, a.want) {
			t.Errorf("%s: %s, want %s", a.name, out, a.want)
		}
		const want = `POST /pay/orders/20260101001/shipping Bearer ` + merchantToken + ` application/json {"type":"express","items":"\u7eff\u8336 250g \u00d72",` +
			`"parcels":[{"company":"\u987a\u4e30","tracking_no":"12345","contact":"13800001234"}]}`
		if a.status != 0 && site.call != want {
			t.Errorf("%s: called was %s", a.name, site.call)
		}
	}
}

// TestDocsShipping: each of the three ways of docs/shipping.md, as it is written there, tells WeChat how a payment was shipped.
func TestDocsShipping(t *testing.T) {
	auto, expect, block, answer, call := shippingPage(t)
	answered := func() string { // by the page's script
		cmd := exec.Command("php", "-r", "$title = '绿茶';\n"+answer)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%v; make deps installs PHP on Debian", err)
		}
		return string(out)
	}
	const plain = "events POST /internal/pay/events"
	for _, way := range []struct {
		name, options, event string
		report               func(site *phpSite)
		kind                 int
		items                string
	}{
		{"auto", plain + "\n" + auto, "success", nil, 3, "Green tea"},
		{"answer", expect, answered(), nil, 4, "绿茶"},
		{"call", plain + "\n" + block[:strings.Index(block, "merchant_api")], "success", func(site *phpSite) {
			out, ok := runSnippet(t, shippingHead+call+"\necho $shipping['status'];", "http://"+site.addr, "php", "-r")
			if !ok || out != "waiting" && out != "reported" {
				t.Errorf("the call ended with %s", out)
			}
		}, 1, "绿茶 250g ×2"},
	} {
		t.Run(way.name, func(t *testing.T) {
			shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodPost {
					_, _ = io.WriteString(w, way.event)
					return
				}
				fmt.Fprint(w, `{"order_no":"20260101001","amount":1999,"currency":"cny","subject":"Green tea"}`)
			})
			options := strings.ReplaceAll(strings.TrimSpace(way.options), "\n", "\n\t\t")
			site := siteIn(t, "live", shop, "orders GET /quote/{order_no}", options)
			status, charge := site.pay(t, "20260101001")
			if status != http.StatusCreated {
				t.Fatalf("%d %s", status, charge)
			}
			if err := site.box.Pay(regexp.MustCompile(`ch_\w+`).FindString(charge)); err != nil {
				t.Fatal(err)
			}
			read := func() string {
				_, answer := site.merchant(t, http.MethodGet, "/pay/orders/20260101001/shipping", "")
				return answer
			}
			eventually(t, "the payment is recorded", func() bool { return strings.Contains(read(), `"status":`) && !strings.Contains(read(), "not_found") })
			if way.report != nil {
				way.report(site)
			}
			eventually(t, "WeChat has the report", func() bool { return strings.Contains(read(), `"status":"reported"`) })
			var has []struct {
				Uploads  int `json:"uploads"`
				Shipping struct {
					Kind int `json:"logistics_type"`
					List []struct {
						Items string `json:"goods_desc"`
					} `json:"shipping_list"`
				} `json:"shipping"`
			}
			raw := must(json.Marshal(site.box.State(10).WeChat))
			if err := json.Unmarshal(raw, &has); err != nil || len(has) != 1 || has[0].Uploads != 1 || has[0].Shipping.Kind != way.kind ||
				len(has[0].Shipping.List) != 1 || has[0].Shipping.List[0].Items != way.items {
				t.Errorf("WeChat has %s, %v", raw, err)
			}
		})
	}
}
