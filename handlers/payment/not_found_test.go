package payment

import (
	"errors"
	"testing"

	"github.com/caddypay/caddypay/handlers/problem"
)

func TestNotFoundValues(t *testing.T) {
	code := &NotFound{Path: "code", Values: []string{"404", "40401", "no_order", "null"}}
	data := &NotFound{Path: "data", Values: []string{"null", "false", "[]", ""}}
	whole := &NotFound{Path: "@this", Values: []string{"null", "false", "[]"}}
	for _, c := range []struct {
		n     *NotFound
		raw   string
		found bool // no order
	}{
		{code, `{"code":404}`, true}, {code, `{"code":"404"}`, true}, {code, `{"code":40401,"data":{}}`, true}, {code, `{"code":"NO_ORDER"}`, true}, {code, `{"code":" no_order\n"}`, true},
		{code, `{"code":null}`, true}, {code, "\xef\xbb\xbf" + `{"code":404}`, true},
		{code, `{"code":0}`, false}, {code, `{"code":4040}`, false}, {code, `{"code":404.0}`, false}, {code, `{"code":[404]}`, false}, {code, `{"msg":"404"}`, false}, {code, `{"data":{"code":404}}`, false},
		{data, `{"code":0,"data":null}`, true}, {data, `{"data":false}`, true}, {data, `{"data":[]}`, true}, {data, `{"data":[ ]}`, true}, {data, `{"data":""}`, true},
		{data, `{"data":{}}`, false}, {data, `{"data":[null]}`, false}, {data, `{"data":{"sn":1}}`, false}, {data, `{"code":1}`, false}, {data, `{"data":0}`, false},
		{whole, `null`, true}, {whole, `false`, true}, {whole, `[]`, true}, {whole, ` null `, true}, {whole, `{}`, false}, {whole, `0`, false},
		{&NotFound{Path: "data.list.#", Values: []string{"0"}}, `{"data":{"list":[]}}`, true}, {&NotFound{Path: "data.list.#", Values: []string{"0"}}, `{"data":{"list":[1]}}`, false},
		{nil, `{"code":404}`, false},
		{code, `{"code":404`, false}, {code, `{"code":404,"code":0}`, false}, {code, ``, false}, // not JSON that is believed
	} {
		o := legacy()
		o.NotFound = c.n
		_, err := o.parse([]byte(c.raw), "1001")
		p, ok := errors.AsType[*problem.Problem](err)
		if got := ok && p.Code == "order_not_found"; got != c.found {
			t.Errorf("%+v of %s: %v", c.n, c.raw, err)
		}
	}
}
