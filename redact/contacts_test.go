package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever the form in which somebody's telephone number stands in an answer, it is not to be read afterwards.
func TestContacts(t *testing.T) {
	for name, tc := range map[string]struct {
		in, want string
		cut      bool
	}{
		"nothing":             {in: `{"code":0,"msg":"ok"}`, want: `{"code":0,"msg":"ok"}`},
		"a string":            {in: `{"contact":"13800001234"}`, want: `{"contact":"…"}`},
		"a bare number":       {in: `{"a":1, "contact" : 13800001234 , "b":2}`, want: `{"a":1, "contact" : "…" , "b":2}`},
		"an exponent":         {in: `{"contact":1.3800001234e10}`, want: `{"contact":"…"}`},
		"an object":           {in: `{"contact":{"receiver_contact":"13800001234","of":["021-6000 1234"]}}`, want: `{"contact":{"receiver_contact":"…","of":["…"]}}`},
		"a list":              {in: `{"phones":[13800001234,"13900001234"]}`, want: `{"phones":["…","…"]}`},
		"other names":         {in: `{"receiverPhone":"12345678","user_mobile":12345678,"联系电话":"8888-1234","tel":"110 1234"}`, want: `{"receiverPhone":"…","user_mobile":"…","联系电话":"…","tel":"…"}`},
		"no telephone at all": {in: `{"contact":null,"mobile":true,"telling":12345678,"time":1700000000,"t":1700000000123}`, want: `{"contact":null,"mobile":true,"telling":12345678,"time":1700000000,"t":1700000000123}`},
		"masked":              {in: `{"contact":"138****1234"}`, want: `{"contact":"138****1234"}`},
		"escaped":             {in: `{"contact":"\u0031\u0033\u0038\u0030\u0030\u0030\u0030\u0031\u0032\u0033\u0034"}`, want: `{"contact":"…"}`},
		"an escaped name":     {in: `{"con\u0074act":"13800001234"}`, want: `{"con\u0074act":"…"}`},
		"escaped elsewhere":   {in: `{"who":"call \u0031\u0033\u0038\u0030\u0030\u0030\u0030\u0031\u0032\u0033\u0034"}`, want: `{"who":"call 138****1234"}`},
		"JSON in a string":    {in: `{"x":"{\"contact\":\"13800001234\"}"}`, want: `{"x":"{\"contact\":\"…\"}"}`},
		"twice in a string":   {in: `{"x":"{\"y\":\"{\\\"mobile\\\":13800001234}\"}"}`, want: `{"x":"{\"y\":\"{\\\"mobile\\\":\\\"…\\\"}\"}"}`},
		"elsewhere":           {in: `{"who":"Li, 13800001234","n":13800001234}`, want: `{"who":"Li, 138****1234","n":"138****1234"}`},
		"a name of a member":  {in: `{"13800001234":1}`, want: `{"138****1234":1}`},
		"words":               {in: `no user 13800001234, 138-0000-1234, 138 0000 1234 or +86 13800001234`, want: `no user 138****1234, 138-****-1234, 138 **** 1234 or +** *******1234`},
		"a form":              {in: `contact=13800001234&a=1`, want: `contact=138****1234&a=1`},
		"a fixed line":        {in: `ask 021-60001234 or (0571)8800 1234`, want: `ask ***-****1234 or (****)**** 1234`},
		"abroad":              {in: `ask +44 20 7946 0958 or +852-91234567`, want: `ask +** ** **** 0958 or +***-****4567`},
		"wide digits":         {in: `{"who":"１３８００００１２３４"}`, want: `{"who":"138****1234"}`},
		"other numbers":       {in: `{"order_no":"20261126138000012345","id":"evt_400261127052149381159644","at":"2026-11-26T12:00:00+08:00"}`, want: `{"order_no":"20261126138000012345","id":"evt_400261127052149381159644","at":"2026-11-26T12:00:00+08:00"}`},
		"behind an escape":    {in: `{"who":"\u4e0913800001234"}`, want: `{"who":"三138****1234"}`},
		"in front of one":     {in: `{"who":"13800001234\u4e09"}`, want: `{"who":"138****1234三"}`},
		"and in no JSON":      {in: `who: \u4e0913800001234`, want: `who: \u4e09138****1234`},
		"a number alone":      {in: `17000000000`, want: `"170****0000"`},
		"digits of an escape": {in: `{"who":"\u0100000000"}`, want: `{"who":"\u0100000000"}`},
		"cut behind one":      {in: `{"who":"\u4e091380000`, want: `{"who":"\u4e09…`, cut: true},
		"behind a stray mark": {in: `it's 5" and {"contact":"13800001234"}`, want: `it's 5" and {"contact":"138****1234"}`},
		"cut in a contact":    {in: `{"contact":"1380000`, want: `{"contact":"…`, cut: true},
		"cut in a bare one":   {in: `{"contact":1380000`, want: `{"contact":"…"`, cut: true},
		"cut in an escape":    {in: `{"contact":"\u0031\u0033\u0038\u0030\u00`, want: `{"contact":"…`, cut: true},
		"cut elsewhere":       {in: `{"who":"call 1380000`, want: `{"who":"call …`, cut: true},
		"cut, escaped":        {in: `{"who":"call \u0031\u0033\u0038\u0030\u0030\u00`, want: `{"who":"call …`, cut: true},
		"not cut":             {in: `at 1700000000`, want: `at 1700000000`},
		"empty":               {},
	} {
		t.Run(name, func(t *testing.T) {
			got := Contacts(tc.in, tc.cut)
			if got != tc.want {
				t.Errorf("%s\nis shown as %s\nwant        %s", tc.in, got, tc.want)
			}
			if json.Valid([]byte(tc.in)) && !json.Valid([]byte(got)) {
				t.Errorf("JSON became what is none: %s", got)
			}
			if again := Contacts(got, tc.cut); again != got {
				t.Errorf("and that as %s", again)
			}
		})
	}
}

// FuzzContacts: what was JSON stays JSON, and a number under its own name is not to be read.
func FuzzContacts(f *testing.F) {
	f.Add(`"x"`)
	f.Add(`{"a":[1,{"b":"\u0031"}]}`)
	f.Add(`{"a":"\u0100000000"}`)
	f.Add(`17000000000`)
	f.Fuzz(func(t *testing.T, in string) {
		got := Contacts(in, false)
		if !json.Valid([]byte(in)) {
			return
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q became %q", in, got)
		}
		if got := Contacts(`{"a":`+in+`,"contact":13800001234}`, false); strings.Contains(got, "0000") && !strings.Contains(in, "0000") {
			t.Errorf("%q shows it", got)
		}
	})
}
