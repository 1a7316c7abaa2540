package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const httpAPI = "docs/http-api.openapi.json"

// call is a route of /pay as OpenAPI has it.
type call struct {
	method, path, by, id, summary string
	params                        []string // in the query, each with its meaning after a colon
	body                          string   // the schema of what is sent; "" for nothing
	answers                       []string // status, media type and schema; or status and meaning
}

// Who calls.
const (
	byPayer    = "Payer"
	byPingpp   = "Ping++"
	byMerchant = "Merchant"
)

var calls = []call{
	{"get", "/openid", byPayer, "login", "A login code becomes an openid and a session", []string{"code: of wx.login"}, "", []string{"200 application/json Login"}},
	{"post", "/openid", byPayer, "loginByPost", "The same, with the code in the body; the only way where the site has login", nil, "Code", []string{"200 application/json Login"}},
	{"post", "/charges", byPayer, "createCharge", "Begins the payment of an order; the price comes from the backend", nil, "ChargeRequest",
		[]string{"201 application/json PingppCharge", "200 application/json PingppCharge"}},
	{"get", "/charges/{id}", byPayer, "charge", "The payer's own charge",
		[]string{"wait: how long to wait until it is paid, like 25s; at most 60s", "client: what the client saw: success, cancel or fail; never believed"}, "", []string{"200 application/json Charge"}},
	{"get", "/charges/{id}/qr.svg", byPayer, "qrSVG", "The QR code of a charge that is paid by scanning", nil, "", []string{"200 image/svg+xml String"}},
	{"get", "/charges/{id}/qr.png", byPayer, "qrPNG", "The same as PNG", nil, "", []string{"200 image/png Bytes"}},
	{"get", "/orders/{order_no}/state", byPayer, "orderState", "What has become of an order, without beginning a payment", nil, "", []string{"200 application/json OrderState"}},
	{"get", "/checkout", byPayer, "checkout", "The payment page", []string{"order_no: the shop's"}, "", []string{"200 text/html String"}},
	{"get", "/oauth/start", byPayer, "oauthStart", "Logs a visitor in, inside WeChat", []string{"return: the path of this site to come back to"}, "", []string{"302 To WeChat"}},
	{"get", "/oauth/callback", byPayer, "oauthCallback", "Where WeChat sends the visitor back to", []string{"code: WeChat's", "state: of the round"}, "", []string{"302 To the path that the round began with, with the session in a cookie"}},
	{"get", "/jssdk", byPayer, "jssdk", "The signature for wx.config", []string{"url: the page's own address"}, "", []string{"200 application/json JSSDK"}},
	{"post", "/webhooks", byPingpp, "webhook", "Takes an event; 200 means that it is on disk", nil, "Event", []string{"200 application/json Taken"}},
	{"post", "/refunds", byMerchant, "createRefund", "Gives money back, once for each refund_no", nil, "RefundRequest",
		[]string{"201 application/json Refund", "200 application/json Refund", "202 application/json Refund"}},
	{"get", "/refunds/{refund_no}", byMerchant, "refund", "What became of a refund", nil, "", []string{"200 application/json Refund"}},
	{"get", "/orders/{order_no}", byMerchant, "order", "Everything about an order", nil, "", []string{"200 application/json Order"}},
	{"post", "/charges/{id}/reverse", byMerchant, "reverse", "Nobody can pay this charge any more", nil, "", []string{"200 application/json Charge"}},
	{"post", "/orders/{order_no}/shipping", byMerchant, "reportShipping", "Reports to WeChat how the order was shipped", nil, "ShippingReport",
		[]string{"202 application/json Shipping", "200 application/json Shipping"}},
	{"get", "/orders/{order_no}/shipping", byMerchant, "shipping", "How far WeChat is with that", nil, "", []string{"200 application/json Shipping"}},
}

// answered are the types that answers, and what the backend is sent, are made of: where each is, and what it is called here.
var answered = []struct{ name, dir, of, about string }{
	{"Login", "handlers/login", "openidAnswer", "Who has logged in"},
	{"JSSDK", "handlers/login", "jssdkAnswer", "What wx.config takes"},
	{"LoginTold", "handlers/login", "loginRequest", "What the backend is told of a login"},
	{"Charge", "handlers/charge", "View", "A charge as its payer sees it"},
	{"OrderState", "handlers/payment", "OrderState", "An order as its payer sees it"},
	{"Refund", "handlers/merchant", "refundView", "A refund"},
	{"Order", "handlers/merchant", "OrderView", "An order with all attempts, refunds and deliveries"},
	{"OrderCharge", "handlers/merchant", "orderedCharge", "An attempt to pay"},
	{"Delivery", "handlers/merchant", "deliveryView", "Whether the backend knows"},
	{"DeliveredEvent", "handlers/merchant", "eventView", "An event of the order"},
	{"Shipping", "handlers/merchant", "shippingView", "What WeChat is told of how a payment was shipped"},
	{"ShippingPause", "handlers/merchant", "shippingPause", "Why WeChat is told nothing now"},
	{"ShippingError", "handlers/merchant", "shippingError", "Why WeChat does not have the report"},
	{"Parcel", "ledger", "Parcel", "A parcel"},
}

// schemas that no type has: what is sent is read member by member, and Ping++'s objects are Ping++'s.
const otherSchemas = `{
	"String": {"type": "string"},
	"Bytes": {"type": "string", "contentMediaType": "image/png"},
	"Code": {"description": "A login code", "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"], "additionalProperties": false},
	"ChargeRequest": {"description": "What is to be paid: an order, or with allow_client_amount an amount", "type": "object", "properties": {
		"order_no": {"type": "string", "description": "the shop's, 1 to 64 printable ASCII characters", "maxLength": 64}, "channel": {"type": "string"},
		"code": {"type": "string", "description": "of wx.login, in place of a session"}, "extra": {"type": "object", "description": "what the channel takes from a client"},
		"amount": {"type": "integer", "description": "fen; with allow_client_amount alone", "minimum": 1}, "reference": {"type": "string", "description": "a note; with allow_client_amount alone", "maxLength": 64}},
		"required": ["channel"], "additionalProperties": false},
	"PingppCharge": {"description": "Ping++'s charge, byte for byte: hand it to pingpp.createPayment as it is", "type": "object", "properties": {"id": {"type": "string"}, "object": {"const": "charge"}}},
	"Event": {"description": "Ping++'s event, byte for byte", "type": "object"},
	"Taken": {"description": "What became of an event", "type": "object", "properties": {"result": {"enum": ["recorded", "duplicate", "same_effect"]}}, "required": ["result"]},
	"RefundRequest": {"description": "A refund: of an order or a charge, all that is left unless an amount is named", "type": "object", "properties": {
		"order_no": {"type": "string"}, "charge": {"type": "string"}, "refund_no": {"type": "string", "description": "yours: 1 to 64 letters, digits, - and _", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
		"amount": {"type": "integer", "description": "fen", "minimum": 1}, "description": {"type": "string", "description": "why; the payer may see it", "minLength": 1, "maxLength": 255},
		"funding_source": {"enum": ["unsettled_funds", "recharge_funds"]}}, "required": ["refund_no", "description"], "additionalProperties": false},
	"ShippingReport": {"description": "How an order was shipped", "type": "object", "properties": {
		"type": {"enum": ["express", "local", "virtual", "pickup"]}, "items": {"type": ["string", "null"]}, "complete": {"type": "boolean", "default": true},
		"parcels": {"type": ["array", "null"], "maxItems": 15, "items": {"type": "object", "properties": {"company": {"type": "string"}, "tracking_no": {"type": "string"}, "items": {"type": ["string", "null"]},
			"contact": {"type": ["string", "null"]}}, "required": ["company", "tracking_no"], "additionalProperties": false}}}, "required": ["type"], "additionalProperties": false}
}`

type object = map[string]any

// openAPI is the file that tells programs what docs/http-api.md tells people.
func openAPI() ([]byte, error) {
	var schemas object
	if err := json.Unmarshal([]byte(otherSchemas), &schemas); err != nil {
		return nil, err
	}
	codes, err := problemCodes()
	if err != nil {
		return nil, err
	}
	schemas["Problem"] = object{"description": "RFC 9457: what is wrong, with a stable code; type leads to its explanation", "type": "object", "required": []string{"type", "title", "status", "code", "detail"},
		"properties": object{"type": object{"type": "string", "format": "uri"}, "title": object{"type": "string"}, "status": object{"type": "integer"}, "code": object{"enum": codes},
			"detail": object{"type": "string", "description": "to show to the person in front of it, in Chinese or English"}}}
	names := map[string]string{} // of our types here
	for _, t := range answered {
		names[t.of] = t.name
	}
	for _, t := range answered {
		if schemas[t.name], err = schemaOf(t.dir, t.of, t.about, names); err != nil {
			return nil, err
		}
	}
	paths := object{}
	for _, c := range calls {
		of, _ := paths[c.path].(object)
		if of == nil {
			of = object{}
			paths[c.path] = of
		}
		of[c.method] = c.operation()
	}
	json := func(schema string) object {
		return object{"required": true, "content": contentOf("application/json", schema)}
	}
	told := object{"2XX": object{"description": "A receipt, unless it is an HTML page or not what expect wants"}}
	var raw bytes.Buffer
	lines := newEncoder(&raw)
	err = lines.Encode(object{
		"openapi": "3.1.0",
		"info": object{"title": "caddypay's HTTP API", "version": "1", "license": object{"name": "Apache License 2.0", "identifier": "Apache-2.0"},
			"description": "What caddypay answers under its prefix, and what it calls at the backend. Amounts are whole numbers of fen, times are Unix seconds. Answers may get new members; what is sent must have none that is unknown. docs/http-api.md says it in words."},
		"servers": []object{{"url": "https://shop.example.com/pay", "description": "the site, and the prefix of its pay block"}},
		"tags":    []object{{"name": byPayer}, {"name": byPingpp}, {"name": byMerchant}},
		"paths":   paths,
		"webhooks": object{
			"event": object{"post": object{"summary": "The backend hears of an event, at the path of events, until it acknowledges it", "requestBody": json("Event"), "responses": told}},
			"login": object{"post": object{"summary": "The backend hears of a login, at the path of login", "requestBody": json("LoginTold"), "responses": told}},
		},
		"components": object{"schemas": schemas,
			"responses": object{"Problem": object{"description": "What is wrong", "content": contentOf("application/problem+json", "Problem")}},
			"securitySchemes": object{
				"session":  object{"type": "apiKey", "in": "header", "name": "X-Pay-Session"},
				"bearer":   object{"type": "http", "scheme": "bearer", "description": "the same session"},
				"cookie":   object{"type": "apiKey", "in": "cookie", "name": "__Host-pay_session"},
				"merchant": object{"type": "http", "scheme": "bearer", "description": "a token of merchant_api"}}},
	})
	return raw.Bytes(), err
}

func newEncoder(to *bytes.Buffer) *json.Encoder {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e
}

func contentOf(media, schema string) object {
	return object{media: object{"schema": object{"$ref": "#/components/schemas/" + schema}}}
}

func (c *call) operation() object {
	o := object{"tags": []string{c.by}, "operationId": c.id, "summary": c.summary}
	var params []object
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(c.path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range c.params {
		name, about, _ := strings.Cut(p, ": ")
		params = append(params, object{"name": name, "in": "query", "description": about, "schema": object{"type": "string"}})
	}
	if params != nil {
		o["parameters"] = params
	}
	if c.body != "" {
		o["requestBody"] = object{"required": true, "content": contentOf("application/json", c.body)}
	}
	responses := object{"default": object{"$ref": "#/components/responses/Problem"}}
	for _, a := range c.answers {
		status, rest, _ := strings.Cut(a, " ")
		if media, schema, ok := strings.Cut(rest, " "); ok && strings.Contains(media, "/") {
			responses[status] = object{"description": map[string]string{"200": "It is so", "201": "It was made", "202": "It is recorded, and goes on by itself"}[status], "content": contentOf(media, schema)}
		} else {
			responses[status] = object{"description": rest}
		}
	}
	o["responses"] = responses
	switch {
	case c.by == byMerchant:
		o["security"] = []object{{"merchant": []string{}}}
	case slices.Contains([]string{"createCharge", "charge", "qrSVG", "qrPNG", "orderState"}, c.id):
		o["security"] = []object{{"session": []string{}}, {"bearer": []string{}}, {"cookie": []string{}}}
	}
	return o
}

// problemCodes are the codes of handlers/problem/codes.go.
func problemCodes() (codes []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "handlers/problem/codes.go", nil, 0)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.BasicLit); ok {
				code, _ := strconv.Unquote(key.Value)
				codes = append(codes, code)
			}
		}
		return true
	})
	slices.Sort(codes)
	return codes, nil
}

// schemaOf is the schema of a struct, by its members' tags and the comments behind them.
func schemaOf(dir, name, about string, names map[string]string) (object, error) {
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range decl.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok && spec.Name.Name == name {
					of, ok := spec.Type.(*ast.StructType)
					if !ok {
						return nil, fmt.Errorf("%s.%s is no struct", dir, name)
					}
					return membersOf(of, about, names)
				}
			}
		}
	}
	return nil, fmt.Errorf("%s has no type %s", dir, name)
}

func membersOf(of *ast.StructType, about string, names map[string]string) (object, error) {
	properties, required := object{}, []string{}
	var all []any
	for _, f := range of.Fields.List {
		if len(f.Names) == 0 { // what is embedded stands among the members
			ident, ok := f.Type.(*ast.Ident)
			if !ok || names[ident.Name] == "" {
				return nil, fmt.Errorf("an embedded type that is not known here")
			}
			all = append(all, object{"$ref": "#/components/schemas/" + names[ident.Name]})
			continue
		}
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, err
		}
		member, rest, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if member == "" || member == "-" {
			continue
		}
		schema, err := memberOf(f.Type, names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", member, err)
		}
		if text := oneLine(f.Comment.Text() + f.Doc.Text()); text != "" {
			schema["description"] = text
		}
		properties[member] = schema
		if rest != "omitempty" {
			required = append(required, member)
		}
	}
	o := object{"description": about, "type": "object", "properties": properties, "required": required}
	if all != nil {
		o["allOf"] = all
	}
	return o, nil
}

func memberOf(t ast.Expr, names map[string]string) (object, error) {
	switch t := t.(type) {
	case *ast.Ident:
		switch t.Name {
		case "string":
			return object{"type": "string"}, nil
		case "bool":
			return object{"type": "boolean"}, nil
		case "int", "int64":
			return object{"type": "integer"}, nil
		}
		if names[t.Name] != "" {
			return object{"$ref": "#/components/schemas/" + names[t.Name]}, nil
		}
	case *ast.StarExpr:
		of, err := memberOf(t.X, names)
		if err != nil {
			return nil, err
		}
		if kind, ok := of["type"].(string); ok {
			return object{"type": []string{kind, "null"}}, nil
		}
		return object{"anyOf": []object{of, {"type": "null"}}}, nil
	case *ast.ArrayType:
		of, err := memberOf(t.Elt, names)
		return object{"type": "array", "items": of}, err
	case *ast.SelectorExpr:
		if t.Sel.Name == "RawMessage" {
			return object{}, nil
		}
		if names[t.Sel.Name] != "" {
			return object{"$ref": "#/components/schemas/" + names[t.Sel.Name]}, nil
		}
	}
	return nil, fmt.Errorf("this kind of member is not known here")
}
