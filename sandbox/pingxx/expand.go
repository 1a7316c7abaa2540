package pingxx

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// The name of an object stands in place of the object, unless a request asks to see it: expand[]=app.
var expandParam = regexp.MustCompile(`^expand(\[[0-9]*\])?$`)

// takeExpand takes what is to be expanded out of the query or, where the parameters are in the body, out of that.
func takeExpand(r *http.Request, body []byte) (names []string, query url.Values, rest []byte, refusal *apierr.Error) {
	query = r.URL.Query()
	for name, values := range query {
		if expandParam.MatchString(name) {
			names = append(names, values...)
			delete(query, name)
		}
	}
	in, _ := rawjson.Parse(body) // whoever reads it says what is wrong with it
	raw, ok := in.Get("expand")
	if !ok {
		return unique(names), query, body, nil
	}
	var more []string
	if one, ok := rawjson.Text(raw); ok {
		more = []string{one}
	} else if json.Unmarshal(raw, &more) != nil {
		return nil, nil, nil, apierr.NotA("expand", "字符串数组", "a list of strings")
	}
	in.Remove("expand")
	return unique(append(names, more...)), query, rawjson.Encode(in), nil
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// expand puts objects in the place of their names, in an answer or in each element of a list.
func (a *api) expand(answer []byte, names []string, live bool) ([]byte, *apierr.Error) {
	if len(names) == 0 {
		return answer, nil
	}
	o, err := rawjson.Parse(answer)
	if err != nil {
		return answer, nil
	}
	if kind, _ := o.Get("object"); string(kind) == `"list"` {
		var items []json.RawMessage
		raw, _ := o.Get("data")
		if json.Unmarshal(raw, &items) != nil {
			return answer, nil
		}
		for i := range items {
			whole, refusal := a.expand(items[i], names, live)
			if refusal != nil {
				return nil, refusal
			}
			items[i] = whole
		}
		o.Set("data", items)
		return rawjson.Encode(o), nil
	}
	for _, name := range names {
		raw, ok := o.Get(name)
		id, named := rawjson.Text(raw)
		switch {
		case ok && rawjson.IsNull(raw):
		case ok && named && name == "app":
			o.Set(name, a.appObject(id))
		case ok && named && name == "charge":
			c, refusal := a.trade.Charges.Get(id, live)
			if refusal != nil {
				return nil, refusal
			}
			o.Set(name, c)
		default:
			return nil, apierr.BadParam("expand", "不支持展开 "+name+"。", "There is no "+name+" to expand.")
		}
	}
	return rawjson.Encode(o), nil
}

// appObject is the app as Ping++ shows it whole.
func (a *api) appObject(id string) any {
	return struct {
		ID          string         `json:"id"`
		Object      string         `json:"object"`
		Created     int64          `json:"created"`
		DisplayName string         `json:"display_name"`
		Description *string        `json:"description"`
		Metadata    rawjson.Object `json:"metadata"`
	}{ID: id, Object: "app", Created: a.born.Unix(), DisplayName: "sandbox", Metadata: rawjson.Object{}}
}
