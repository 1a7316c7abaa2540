package caddypay_test

import (
	"regexp"
	"strings"
	"testing"
)

var (
	slashes = regexp.MustCompile(`(^|[ \t])// .*`)
	hashes  = regexp.MustCompile(`(^|[ \t])# .*`)
	// marks are how a comment begins, by the language of a block.
	marks = map[string]*regexp.Regexp{"php": slashes, "js": slashes, "java": slashes, "caddyfile": hashes, "yaml": hashes, "nginx": hashes, "sh": hashes}
	phps  = regexp.MustCompile(`(?s)<<'PHP'\n.*?\nPHP\n`) // files that a shell writes
)

// uncommented is code without what its comments say, each of which speaks the reader's language: a whole line, or the end of one. That there is a comment stays.
func uncommented(language, code string) string {
	mark := marks[language]
	if mark == nil {
		return code
	}
	if language == "sh" {
		code = phps.ReplaceAllStringFunc(code, func(file string) string { return uncommented("php", file) })
	}
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		at := mark.FindStringSubmatchIndex(line)
		if at == nil {
			continue
		}
		if before := line[:at[0]]; strings.Count(before, `"`)%2 == 0 && strings.Count(before, "'")%2 == 0 { // else it is in a text
			lines[i] = line[:at[3]] + strings.TrimSpace(line[at[3]:])[:1]
		}
	}
	return strings.Join(lines, "\n")
}

func TestUncommented(t *testing.T) {
	for _, tt := range []struct{ language, code, want string }{
		{"php", "<?php\n// a.php: it's so\n$a = 'b'; // why\n", "<?php\n/\n$a = 'b'; /\n"},
		{"php", "$a = 'https://b'; $c = 'd // e';\n# f\n", "$a = 'https://b'; $c = 'd // e';\n# f\n"},
		{"caddyfile", "\t# why\n\torders GET /a?b#c # d\n\tsubject \"e # f\"\n", "\t#\n\torders GET /a?b#c #\n\tsubject \"e # f\"\n"},
		{"sh", "# a\ncat > b <<'PHP'\n<?php // c\n# d\nPHP\necho // e\n", "#\ncat > b <<'PHP'\n<?php /\n#\nPHP\necho // e\n"},
		{"json", "{\"a\": \"b # c\"} # d\n", "{\"a\": \"b # c\"} # d\n"},
		{"text", "a // b\n", "a // b\n"},
	} {
		if got := uncommented(tt.language, tt.code); got != tt.want {
			t.Errorf("%s: %q became %q, not %q", tt.language, tt.code, got, tt.want)
		}
	}
}

// Comments in the code of a Chinese page are Chinese. One that is only the name of a file, or of what the code is for, is everybody's.
func TestChineseComments(t *testing.T) {
	block := regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```$")
	english := regexp.MustCompile(`^[^\p{Han}]*[a-z] [a-z][^\p{Han}]*$`) // has two words, and none in Chinese
	for _, name := range allPages(t) {
		if !strings.HasSuffix(name, ".zh-CN.md") {
			continue
		}
		for _, m := range block.FindAllStringSubmatch(page(t, name), -1) {
			for _, mark := range []*regexp.Regexp{slashes, hashes} {
				for line := range strings.SplitSeq(m[1], "\n") {
					if comment := mark.FindString(line); english.MatchString(comment) {
						t.Errorf("%s: a comment is not translated: %s", name, strings.TrimSpace(line))
					}
				}
			}
		}
	}
}
