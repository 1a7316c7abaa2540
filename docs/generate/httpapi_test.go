package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func parse(t *testing.T, raw []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Both files are OpenAPI 3.1 by the specification's own schema, their schemas are JSON Schema, and all that they refer to is there.
func TestOpenAPIFiles(t *testing.T) {
	t.Chdir("../..")
	files, err := filepath.Glob("docs/*.openapi.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	const at = "https://spec.openapis.org/oas/3.1/schema"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(at, parse(t, []byte(datamodel.OpenAPI31SchemaData))); err != nil {
		t.Fatal(err)
	}
	specification, err := c.Compile(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := specification.Validate(parse(t, raw)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if specification.Validate(parse(t, bytes.Replace(raw, []byte(`"in": "query"`), []byte(`"in": "question"`), 1))) == nil {
			t.Errorf("%s: a parameter in no place is taken for valid", file)
		}
		if err := c.AddResource("file:///"+file, parse(t, raw)); err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`"#(/components/[^"]+)"`).FindAllStringSubmatch(string(raw), -1)
		if len(names) < 50 {
			t.Fatalf("%s refers to %d schemas", file, len(names))
		}
		for _, name := range names {
			if of, ok := strings.CutPrefix(name[1], "/components/responses/"); ok {
				media := map[string]string{"Error": "application~1json", "Problem": "application~1problem+json"}[of]
				name[1] += "/content/" + media + "/schema"
			}
			if _, err := c.Compile("file:///" + file + "#" + name[1]); err != nil {
				t.Errorf("%s: %s: %v", file, name[1], err)
			}
		}
	}
}

// The file has the routes that docs/http-api.md has, and a code for each of its rows.
func TestHTTPAPIFile(t *testing.T) {
	t.Chdir("../..")
	page, err := os.ReadFile("docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`(?:GET|POST)`.*?|`(?:GET|POST) .*?) \\|").FindAllStringSubmatch(string(page), -1) {
		last := ""
		for _, path := range regexp.MustCompile("`(?:(?:GET|POST) )?([a-z/][^`?]*)").FindAllStringSubmatch(row[1], -1) {
			path := strings.TrimPrefix(path[1], "/pay")
			if !strings.HasPrefix(path, "/") { // `qr.png` beside `…/qr.svg`
				path = last[:strings.LastIndex(last, "/")+1] + path
			}
			last = path
			for _, method := range regexp.MustCompile(`\b(GET|POST)\b`).FindAllString(row[1], -1) {
				want = append(want, strings.ToLower(method)+" "+path)
			}
		}
	}
	for _, c := range calls {
		got = append(got, c.method+" "+c.path)
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(want, got) {
		t.Errorf("the page has the routes\n%q\nthe file\n%q", want, got)
	}
	codes, err := problemCodes()
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [0-9]+").FindAllStringSubmatch(string(page), -1)
	if len(rows) != len(codes) {
		t.Errorf("the page has %d codes, the source %d", len(rows), len(codes))
	}
	for _, row := range rows {
		if !slices.Contains(codes, row[1]) {
			t.Errorf("the file has no %s", row[1])
		}
	}
}

// What docs/http-api.md shows as sent or answered is so by the file's schemas, which here allow no further members; other tests compare the page with a
// running site. Each schema of an answer is shown.
func TestHTTPAPIExamples(t *testing.T) {
	t.Chdir("../..")
	raw, err := os.ReadFile(httpAPI)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Paths map[string]map[string]struct {
			RequestBody struct{ Content map[string]content } `json:"requestBody"`
			Responses   map[string]struct{ Content map[string]content }
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	whole := parse(t, raw).(map[string]any)
	for name, s := range whole["components"].(map[string]any)["schemas"].(map[string]any) {
		if s := s.(map[string]any); s["properties"] != nil && s["allOf"] == nil && name != "PingppCharge" && name != "ShippingError" {
			s["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///api.json", whole); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	heading := ""
	for _, m := range regexp.MustCompile("(?ms)^###? ([^\n]*)$|^```json\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if m[1] != "" {
			heading = m[1]
			continue
		}
		var may []string
		switch call := regexp.MustCompile("`(?:GET` or `)?(GET|POST) /pay(/[^`?]*)").FindStringSubmatch(heading); {
		case strings.HasSuffix(heading, "with `login`"):
			may = []string{"LoginTold"}
		case call == nil:
			may = []string{"Problem"}
		default:
			of := file.Paths[call[2]][strings.ToLower(call[1])]
			for _, body := range of.RequestBody.Content {
				may = append(may, body.name())
			}
			for _, answer := range of.Responses {
				for _, body := range answer.Content {
					may = append(may, body.name())
				}
			}
		}
		var errs []error
		fits := false
		for _, name := range may {
			schema, err := c.Compile("file:///api.json#/components/schemas/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if err = schema.Validate(parse(t, []byte(m[2]))); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
				continue
			}
			fits, shown[name] = true, true
		}
		if !fits {
			t.Errorf("under %q: %s is none of %q: %v", heading, m[2], may, errs)
		}
	}
	for _, name := range []string{"Problem", "Login", "LoginTold", "ChargeRequest", "Charge", "OrderState", "Taken", "Refund", "Order", "ShippingReport", "Shipping"} {
		if !shown[name] {
			t.Errorf("the page shows no %s", name)
		}
	}
}

type content struct {
	Schema struct {
		Ref string `json:"$ref"`
	}
}

func (c content) name() string { return c.Schema.Ref[strings.LastIndex(c.Schema.Ref, "/")+1:] }
