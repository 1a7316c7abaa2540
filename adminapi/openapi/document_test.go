package main

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/adminapi"
)

// The file is what the routes and types of this source give.
func TestFileIsFresh(t *testing.T) {
	t.Chdir("../..")
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the source says; run go generate . in the repository's root", file)
	}
}

// Each route has its method of Server and of Client, by the name that it has in the file.
func TestRoutesHaveTheirMethods(t *testing.T) {
	s := adminapi.New(adminapi.Config{})
	var names []string
	for _, r := range s.Routes() {
		names = append(names, r.Name)
		for _, side := range []any{s, adminapi.NewClient(adminapi.Endpoint{})} {
			if _, has := reflect.TypeOf(side).MethodByName(r.Name); !has {
				t.Errorf("%s %s: %T has no method %s", r.Method, r.Path, side, r.Name)
			}
		}
	}
	slices.Sort(names)
	if n := len(names); n < 20 || len(slices.Compact(names)) != n {
		t.Errorf("%q", names)
	}
}

// The pages for people list every route, under its subject and in the table's order, in both languages.
func TestPagesListTheRoutes(t *testing.T) {
	t.Chdir("../..")
	var want []string
	about := ""
	for _, r := range adminapi.New(adminapi.Config{}).Routes() {
		if r.About != about {
			about = r.About
			want = append(want, "##")
		}
		want = append(want, r.Method+" "+r.Path)
	}
	for _, page := range []string{"docs/admin-api.md", "docs/admin-api.zh-CN.md"} {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range regexp.MustCompile("(?m)^(?:\\| `((?:GET|POST) /pay/[^`]*)` \\||(##) )").FindAllStringSubmatch(string(raw), -1) {
			got = append(got, m[1]+m[2])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s lists\n%q\nand the routes are\n%q", page, got, want)
		}
	}
}
