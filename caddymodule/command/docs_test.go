package command

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		if err := taken(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// taken says whether a line is taken as it stands.
func taken(line string) error {
	var words []string
	for _, word := range quoted.FindAllString(line, -1) {
		words = append(words, strings.Trim(word, `"`))
	}
	cmd, rest, err := all().Find(words[1:])
	if err != nil || words[0] != "caddy" {
		return fmt.Errorf("no command of ours: %w", err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	return cmd.ValidateRequiredFlags()
}

// Each `caddy pay …` that a page has, in a block or within a sentence, is a command with flags that there are. What stands for something, like <order> or
// …, is no value; a command without its values is named and not called.
func TestCommandsOfAllPages(t *testing.T) {
	named := regexp.MustCompile("`((?:\\./)?caddy pay [a-z][^`\n]*)`|(?m)^((?:\\./)?caddy pay .*)$")
	found := 0
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" || d.IsDir() && d.Name() == ".git" {
			return cmp.Or(err, fs.SkipDir)
		}
		if d.IsDir() || !strings.HasSuffix(file, ".md") {
			return nil
		}
		for _, m := range named.FindAllStringSubmatch(string(must(os.ReadFile(file))), -1) {
			line, _, _ := strings.Cut(strings.TrimPrefix(m[1]+m[2], "./"), " >")
			for _, line := range alternatives(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(line, "X")) {
				found++
				if err := taken(line); err != nil && (m[2] != "" || !mentioned(line)) {
					t.Errorf("%s: %s: %v", file, line, err)
				}
			}
		}
		return nil
	})
	if err != nil || found < 300 {
		t.Errorf("%d commands, %v", found, err)
	}
}

// alternatives are the commands that a|b stands for.
func alternatives(line string) (lines []string) {
	before, after, ok := strings.Cut(line, "|")
	if !ok {
		return []string{line}
	}
	head, first := before[:strings.LastIndex(before, " ")+1], before[strings.LastIndex(before, " ")+1:]
	others, tail, _ := strings.Cut(after, " ")
	for _, word := range append([]string{first}, strings.Split(others, "|")...) {
		lines = append(lines, strings.TrimSpace(head+word+" "+tail))
	}
	return lines
}

// mentioned says whether a sentence names a command that there is, with a flag at most, and does not call it.
func mentioned(line string) bool {
	words := strings.Fields(strings.TrimSuffix(line, "…"))
	flag := ""
	if last := words[len(words)-1]; strings.HasPrefix(last, "--") {
		flag, words = strings.TrimPrefix(last, "--"), words[:len(words)-1]
	}
	cmd, rest, err := all().Find(words[1:])
	return err == nil && cmd.Name() == words[len(words)-1] && len(rest) == 0 && (flag == "" || flag == "help" || cmd.Flags().Lookup(flag) != nil)
}
