package adminapi

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Param is a parameter of a route: a field of what its path and query are read into, with a tag `path` or `query` that names it. A field of a
// number says by a tag `want` what else to write, and one that has to be given has `required:"true"`.
type Param struct {
	Name     string
	InPath   bool // else in the query
	Required bool
	Type     reflect.Type // a string, strings (with commas), a bool, or a number above 0
	Of       reflect.Type // the struct whose field it is
	Field    string

	index []int
	want  string
}

// paramsOf lists a struct's parameters, its own before those of what is embedded.
func paramsOf(t reflect.Type) (all []Param) {
	if t == nil {
		return nil
	}
	var embedded []Param
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, p := range paramsOf(f.Type) {
				p.index = slices.Concat(f.Index, p.index)
				embedded = append(embedded, p)
			}
			continue
		}
		p := Param{Name: f.Tag.Get("query"), Type: f.Type, Of: t, Field: f.Name, Required: f.Tag.Get("required") == "true", index: f.Index, want: f.Tag.Get("want")}
		if name := f.Tag.Get("path"); name != "" {
			p.Name, p.InPath, p.Required = name, true, true
		}
		all = append(all, p)
	}
	return append(all, embedded...)
}

// readParams fills what into points at. A parameter that it does not name is refused: a filter that is misspelled would choose all.
func readParams(r *http.Request, into any) error {
	v := reflect.ValueOf(into).Elem()
	params, query := paramsOf(v.Type()), r.URL.Query()
	var names []string
	for _, p := range params {
		text := query.Get(p.Name)
		if p.InPath {
			text = r.PathValue(p.Name)
		} else {
			names = append(names, p.Name)
		}
		if err := p.read(text, v.FieldByIndex(p.index)); err != nil {
			return err
		}
	}
	for name := range query {
		switch {
		case slices.Contains(names, name):
		case len(names) == 0:
			return refuse(http.StatusBadRequest, "%.40q is no parameter of this; it takes none", name)
		case slices.Contains(names, "limit"):
			return refuse(http.StatusBadRequest, "%.40q is no parameter of this list; it takes %s", name, strings.Join(names, ", "))
		default:
			return refuse(http.StatusBadRequest, "%.40q is no parameter of this; it takes %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func (p *Param) read(text string, into reflect.Value) error {
	switch into.Kind() {
	case reflect.Slice:
		for word := range strings.SplitSeq(text, ",") {
			if word != "" {
				into.Set(reflect.Append(into, reflect.ValueOf(word)))
			}
		}
	case reflect.Bool:
		if text != "" && text != "true" && text != "false" {
			return refuse(http.StatusBadRequest, "%s must be true or false, not %q", p.Name, text)
		}
		into.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		if text == "" {
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return refuse(http.StatusBadRequest, "%s must be %s, not %q", p.Name, p.want, text)
		}
		into.SetInt(n)
	default:
		into.SetString(text)
	}
	return nil
}

// address is a route's path with the parameters of a request; what is empty is left out of its query.
func address(path string, in any) string {
	query := url.Values{}
	if in != nil {
		v := reflect.ValueOf(in)
		for _, p := range paramsOf(v.Type()) {
			text := p.text(v.FieldByIndex(p.index))
			if p.InPath {
				path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(text), 1)
			} else if text != "" {
				query.Set(p.Name, text)
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func (p *Param) text(v reflect.Value) string {
	switch {
	case v.IsZero():
		return ""
	case v.Kind() == reflect.Slice:
		return strings.Join(v.Interface().([]string), ",")
	case v.Kind() == reflect.Bool:
		return "true"
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	}
	return v.String()
}
