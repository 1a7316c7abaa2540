package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

var filePlaceholder = regexp.MustCompile(`\{file\.([^{}]+)\}`)

// keyFiles says how new the files are that a block names: a key that was exchanged makes another configuration of an unchanged Caddyfile,
// and so is read at the next reload. It holds nothing of what is in them. Files that are not to be seen from here say nothing.
func keyFiles(pay *Handler) string {
	var names []string
	if c := pay.Pingpp; c != nil {
		names = append(names, c.SigningKey)
		names = append(names, c.WebhookKeys...)
	}
	raw, err := json.Marshal(pay)
	if err != nil {
		return ""
	}
	for _, m := range filePlaceholder.FindAllSubmatch(raw, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	var seen []string
	for _, name := range slices.Compact(names) {
		if info, err := os.Stat(name); name != "" && err == nil && info.Mode().IsRegular() {
			seen = append(seen, fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size()))
		}
	}
	return strings.Join(seen, " ")
}
