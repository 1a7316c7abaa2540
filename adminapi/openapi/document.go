// Command openapi writes docs/admin-api.openapi.json: the admin API in OpenAPI 3.1, from adminapi's table of routes, the types of what they are asked
// and answer, and the comments of those.
//
//	go run ./adminapi/openapi
//
// in the repository's root, or `go generate` there.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/relay/nightly"
)

const module = "github.com/caddypay/caddypay"

// commented are the packages whose comments describe the types.
var commented = []string{"adminapi", "check", "ledger", "relay/nightly"}

// The parts of an OpenAPI document that are used here.
type (
	document struct {
		OpenAPI    string                          `json:"openapi"`
		Info       info                            `json:"info"`
		Servers    []server                        `json:"servers"`
		Tags       []tag                           `json:"tags"`
		Paths      map[string]map[string]operation `json:"paths"`
		Components components                      `json:"components"`
	}
	info struct {
		Title       string  `json:"title"`
		Version     string  `json:"version"`
		Description string  `json:"description"`
		License     license `json:"license"`
	}
	license struct {
		Name       string `json:"name"`
		Identifier string `json:"identifier"`
	}
	server struct {
		URL         string `json:"url"`
		Description string `json:"description"`
	}
	tag struct {
		Name string `json:"name"`
	}
	operation struct {
		Tags        []string            `json:"tags"`
		OperationID string              `json:"operationId"`
		Summary     string              `json:"summary"`
		Parameters  []parameter         `json:"parameters,omitempty"`
		RequestBody *requestBody        `json:"requestBody,omitempty"`
		Responses   map[string]response `json:"responses"`
	}
	parameter struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Description string `json:"description"`
		Required    bool   `json:"required,omitempty"`
		Style       string `json:"style,omitempty"`
		Explode     *bool  `json:"explode,omitempty"`
		Schema      any    `json:"schema"`
	}
	requestBody struct {
		Required bool               `json:"required"`
		Content  map[string]content `json:"content"`
	}
	response struct {
		Ref         string             `json:"$ref,omitempty"`
		Description string             `json:"description,omitempty"`
		Content     map[string]content `json:"content,omitempty"`
	}
	content struct {
		Schema any `json:"schema"`
	}
	components struct {
		Schemas   jsonschema.Definitions `json:"schemas"`
		Responses map[string]response    `json:"responses"`
	}
)

// generator collects the schemas of types.
type generator struct {
	answers, bodies *jsonschema.Reflector // what is answered may get new members some day; what is sent is refused with one that is unknown
	schemas         jsonschema.Definitions
}

// generate returns the file's bytes. It reads the comments of the source in the working directory.
func generate() ([]byte, error) {
	g := &generator{answers: &jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true, Namer: nameOf}, schemas: jsonschema.Definitions{}}
	for _, dir := range commented {
		if err := g.answers.AddGoComments(module, dir, jsonschema.WithFullComment()); err != nil {
			return nil, err
		}
	}
	g.bodies = &jsonschema.Reflector{Anonymous: true, Namer: nameOf, CommentMap: g.answers.CommentMap}
	d := document{
		OpenAPI: "3.1.0",
		Info: info{
			Title: "caddypay's admin API", Version: "1", License: license{"Apache License 2.0", "Apache-2.0"},
			Description: "What operators see of payments and events, and what they decide about them. It is part of Caddy's admin endpoint, which knows no login of its own: " +
				"whoever reaches it may do all of it. Money is in fen, times are in RFC 3339. Answers may get new members; what is sent must have none that is unknown.",
		},
		Servers: []server{{"http://localhost:2019", "Caddy's admin endpoint, unless the configuration names another"}},
		Paths:   make(map[string]map[string]operation),
		Components: components{Schemas: g.schemas, Responses: map[string]response{"Error": {
			Description: "A refusal, or a failure: in words that say what to write instead",
			Content:     map[string]content{"application/json": {g.schema(g.answers, reflect.TypeFor[adminapi.Error]())}},
		}}},
	}
	for _, r := range adminapi.New(adminapi.Config{}).Routes() {
		if n := len(d.Tags); n == 0 || d.Tags[n-1].Name != r.About {
			d.Tags = append(d.Tags, tag{r.About})
		}
		if d.Paths[r.Path] == nil {
			d.Paths[r.Path] = make(map[string]operation)
		}
		o, err := g.operation(&r)
		if err != nil {
			return nil, err
		}
		d.Paths[r.Path][strings.ToLower(r.Method)] = o
	}
	for name, s := range g.schemas {
		if s.Description == "" {
			return nil, fmt.Errorf("the type of %s has no comment", name)
		}
	}
	var raw bytes.Buffer
	lines := json.NewEncoder(&raw)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	err := lines.Encode(d)
	return bytes.ReplaceAll(raw.Bytes(), []byte(`"#/$defs/`), []byte(`"#/components/schemas/`)), err
}

func (g *generator) operation(r *adminapi.Route) (operation, error) {
	o := operation{Tags: []string{r.About}, OperationID: r.Name, Summary: r.Summary}
	for _, p := range r.Params() {
		text := g.answers.CommentMap[p.Of.PkgPath()+"."+p.Of.Name()+"."+p.Field]
		if text == "" {
			return o, fmt.Errorf("the parameter %s of %s %s has no comment at %s.%s", p.Name, r.Method, r.Path, p.Of, p.Field)
		}
		o.Parameters = append(o.Parameters, parameterOf(p, text))
	}
	if r.Body != nil {
		o.RequestBody = &requestBody{Required: true, Content: map[string]content{"application/json": {g.schema(g.bodies, r.Body)}}}
	}
	ok := response{Description: "It is so, or it is done", Content: map[string]content{"application/json": {g.schema(g.answers, r.Answer)}}}
	if len(r.Lines) > 0 {
		var any jsonschema.Schema
		for _, t := range r.Lines {
			any.AnyOf = append(any.AnyOf, g.schema(g.answers, t))
		}
		any.Description = "A line; the last is the answer, or an error"
		ok.Content["application/x-ndjson"] = content{&any}
	}
	o.Responses = map[string]response{"200": ok, "default": {Ref: "#/components/responses/Error"}}
	return o, nil
}

func parameterOf(p adminapi.Param, text string) parameter {
	is := parameter{Name: p.Name, In: "query", Required: p.Required, Description: text}
	if p.InPath {
		is.In = "path"
	}
	one := &jsonschema.Schema{Type: "string"}
	switch p.Type.Kind() {
	case reflect.Slice:
		no := false
		is.Style, is.Explode, one = "form", &no, &jsonschema.Schema{Type: "array", Items: one}
	case reflect.Bool:
		one.Type = "boolean"
	case reflect.Int, reflect.Int64:
		one.Type, one.Minimum = "integer", json.Number(strconv.Itoa(1))
	}
	is.Schema = one
	return is
}

// schema is that of a type; what it refers to is put among the document's.
func (g *generator) schema(r *jsonschema.Reflector, t reflect.Type) *jsonschema.Schema {
	s := r.ReflectFromType(t)
	s.Version = ""
	for name, more := range s.Definitions {
		g.schemas[name] = more
	}
	s.Definitions = nil
	return s
}

// nameOf names a type where its own name would not tell what it is.
func nameOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[check.Report]():
		return "CheckReport"
	case reflect.TypeFor[check.View]():
		return "CheckFinding"
	case reflect.TypeFor[nightly.Item]():
		return "SweepItem"
	}
	return t.Name()
}
