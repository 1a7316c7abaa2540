package relay

import "testing"

// What begins like a page, and what only looks like it.
func TestPageRules(t *testing.T) {
	for text, page := range map[string]bool{
		"<html>": true, "<html|x": true, "<html{": true, "<html/": true, "<html:": true, "<html@": true, "<html`": true,
		"<htmlz>": false, "<html0>": false, "<html9>": false, "<htmla>": false, "<h1>": true, "<h10>": false, "< html>": false, "<>": false,
		"ok --> <html>": false, "ok ?> <html>": false, "<!-- x <html>": false, "<? x <html>": false, "<!-->": false, "<!----><html>": true, "<?php ?><html>": true,
		"<!doctype": false, "<!doctype html": true, "<!doctypehtml": true,
	} {
		if isPage([]byte(text)) != page {
			t.Errorf("%q is a page: %t", text, !page)
		}
	}
}

// A page's title, where it has one that can be read to its end.
func TestTitleRules(t *testing.T) {
	for text, want := range map[string]string{
		"<title>Log in</title>": "Log in", "<html><TITLE lang=en>\n Log\tIn </TITLE>": "Log In", "<html>": "", "<title": "", "<title </title": "", "<title>": "",
		"<title>x": "", "<title></title>": "", "\u0130<title>\u0130</title>": "\u0130",
	} {
		if got := title([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := string(asciiLower([]byte("@AMZ[`az{\u0130"))); got != "@amz[`az{\u0130" {
		t.Errorf("%q", got)
	}
	if v := judge(200, nil, []byte("<html>"), Expect{}); v.ok() || v.detail != "" {
		t.Errorf("%+v", v)
	}
	if v := judge(200, nil, []byte("<html><title>a</title>"), Expect{}); v.detail != `its title is "a"` {
		t.Errorf("%+v", v)
	}
	if got := printable([]byte("a\ufffdb\xff"), 10); got != "a\ufffdb?" {
		t.Errorf("%q", got)
	}
}
