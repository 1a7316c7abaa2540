package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// lines says where the options of a module stand in the Caddyfile that its configuration was made of, like `Caddyfile:12`, so that what is
// found wrong with them later, where only JSON is left, can be found there. Its keys are the names of options as errors have them, like
// `pingpp key`, and that of the directive. JSON that is written by hand has none.
type lines map[string]string

// kinds are the options whose first value is a part of their name.
var kinds = []string{"wechat", "default", "webhook"}

// linesOf reads the segment of the dispenser that stands at a directive's name, without moving it. The prefix is put before the names of
// the options.
func linesOf(d *caddyfile.Dispenser, prefix string) lines {
	walk := *d
	found := lines{walk.Val(): place(&walk)}
	found.read(&walk, prefix, 2)
	return found
}

// read takes in the options of a block and, down to a depth, of the blocks in it.
func (l lines) read(d *caddyfile.Dispenser, prefix string, depth int) {
	for d.NextArg() {
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name, at := prefix+d.Val(), place(d)
		l.add(name, at)
		if slices.Contains(kinds, d.Val()) && d.NextArg() {
			name += " " + d.Val()
			l.add(name, at)
		}
		if depth > 1 && name != "upstream" { // whose options are reverse_proxy's
			l.read(d, name+" ", depth-1)
			continue
		}
		for d.NextArg() {
		}
		for inner := d.Nesting(); d.NextBlock(inner); {
		}
	}
}

func (l lines) add(name, at string) {
	if _, ok := l[name]; !ok {
		l[name] = at
	}
}

// place is the file and line of a token, with the imports that led there, as the Caddyfile's own errors have it.
func place(d *caddyfile.Dispenser) string {
	_, at, _ := strings.Cut(d.Err("").Error(), ", at ")
	return at
}

// of returns where an option stands: by itself, or the block that it is or would be in; empty where nothing is known. An error that begins
// with the name of one of the option's own is about that one.
func (l lines) of(option, text string) string {
	first, _, _ := strings.Cut(text, " ")
	if at, ok := l[option+" "+strings.TrimSuffix(first, ":")]; ok {
		return at
	}
	for name := option; name != ""; name = name[:max(strings.LastIndexByte(name, ' '), 0)] {
		if at, ok := l[name]; ok {
			return at
		}
	}
	return l["pay"]
}
