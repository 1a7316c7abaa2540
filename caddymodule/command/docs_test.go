package command

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/demo"
)

// all are the commands as `caddy pay` has them.
func all() *cobra.Command {
	root := &cobra.Command{Use: "caddy", SilenceErrors: true}
	cmd := &cobra.Command{Use: "pay"}
	root.AddCommand(cmd)
	add(cmd, Host{Host: demo.Host{}})
	return root
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	quoted     = regexp.MustCompile(`"[^"]*"|\S+`)
)

// What the page for operators shows to be typed is taken as it stands, and is the same in both languages.
func TestOperationsCommands(t *testing.T) {
	lines := func(file string) (lines []string) {
		raw := must(os.ReadFile("../../docs/" + file))
		for _, block := range shellBlock.FindAllStringSubmatch(string(raw), -1) {
			lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
		}
		return lines
	}
	english, chinese := lines("operations.md"), lines("operations.zh-CN.md")
	if !slices.Equal(english, chinese) || len(english) < 20 {
		t.Errorf("%d and %d commands, which differ:\n%q\n%q", len(english), len(chinese), english, chinese)
	}
	question := regexp.MustCompile("(?m)^\\d+\\. \\*\\*.+\\*\\*.*\n\n```sh\n")
	for _, file := range []string{"operations.md", "operations.zh-CN.md"} {
		if n := len(question.FindAll(must(os.ReadFile("../../docs/"+file)), -1)); n != 13 {
			t.Errorf("%s answers %d questions with a command, not thirteen", file, n)
		}
	}
	for _, line := range english {
		var words []string
		for _, word := range quoted.FindAllString(line, -1) {
			words = append(words, strings.Trim(word, `"`))
		}
		cmd, rest, err := all().Find(words[1:])
		if err != nil || words[0] != "caddy" {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
