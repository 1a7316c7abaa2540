package check

import (
	"strings"

	"github.com/caddypay/caddypay/docs"
)

// IDs are those of all findings, in the order of docs/check.md. They stay as they are: links and scripts go by them.
func IDs() (ids []string) {
	for line := range strings.Lines(docs.Check) {
		if id, ok := strings.CutPrefix(line, "### "); ok {
			ids = append(ids, strings.TrimSpace(id))
		}
	}
	return ids
}

// Explain returns what docs/check.md says of a finding; empty: there is no such finding.
func Explain(id, language string) string {
	page := Words{docs.Check, docs.CheckZH}.In(language)
	_, section, ok := strings.Cut(page, "\n### "+id+"\n")
	if !ok {
		return ""
	}
	section, _, _ = strings.Cut(section, "\n#")
	return strings.TrimSpace(section)
}
