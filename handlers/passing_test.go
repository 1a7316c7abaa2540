package handlers

import (
	"net/http"
	"net/url"
	"testing"
)

// A route in front of us may have given a target without a path one, and left the rest as it came: a proxy behind us would send that rest.
func TestPlainTarget(t *testing.T) {
	for target, want := range map[url.URL]bool{
		{Path: "/a"}: true,
		{Scheme: "https", Host: "shop.example.com", Path: "/a"}: true,
		{Scheme: "http", Opaque: "b/secret"}:                    false,
		{Scheme: "http", Opaque: "b/secret", Path: "/a"}:        false,
		{Scheme: "ftp", Path: "/a"}:                             false,
		{Path: "*"}:                                             false,
		{Host: "shop.example.com:443"}:                          false,
	} {
		if got := PlainTarget(&target); got != want {
			t.Errorf("%+v: %t", target, got)
		}
	}
}

// Neither trailers go on nor their announcement, with which a request comes that has no body in chunks.
func TestStripHopsTakesTrailers(t *testing.T) {
	r := &http.Request{Header: http.Header{"Trailer": {"X-Pay-Token"}, "X-Kept": {"1"}}, Trailer: http.Header{"X-Pay-Token": {"t"}}}
	StripHops(r)
	if _, announced := r.Header["Trailer"]; announced || r.Trailer != nil || r.Header.Get("X-Kept") != "1" {
		t.Errorf("%v, trailers %v", r.Header, r.Trailer)
	}
}

// A header in which nothing is left is gone: PHP would be told of an empty one.
func TestStripOwnLeavesNoEmptyHeader(t *testing.T) {
	w := newWorld(t)
	r, err := http.NewRequest("GET", "https://shop.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.session(payer))
	w.site.StripOwn(r)
	if values, there := r.Header["Authorization"]; there {
		t.Errorf("%q", values)
	}
	r.Header.Set("Authorization", "Basic c2hvcDpzaG9w")
	w.site.StripOwn(r)
	if r.Header.Get("Authorization") != "Basic c2hvcDpzaG9w" {
		t.Error("the shop's own is gone")
	}
}
