package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pageCommands are the blocks of shell commands of a page, which has the same ones in both languages.
func pageCommands(t *testing.T, page string) []string {
	t.Helper()
	read := func(file string) (blocks []string) {
		raw, err := os.ReadFile("../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(raw), -1) {
			blocks = append(blocks, m[1])
		}
		return blocks
	}
	en, zh := read(page+".md"), read(page+".zh-CN.md")
	comment := regexp.MustCompile("(?m)([ \t])// .*$") // of PHP, in the reader's language
	if len(en) == 0 || !slices.EqualFunc(en, zh, func(a, b string) bool {
		return comment.ReplaceAllString(a, "$1//") == comment.ReplaceAllString(b, "$1//")
	}) {
		t.Fatalf("docs/%s has %d blocks of commands, and others in Chinese", page, len(en))
	}
	return en
}

// Somebody who copies the blocks of docs/quickstart.md into a terminal, and reads nothing else, has a paid order. Only the ports are others here, and the
// binary is built already, by the same command.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	blocks := pageCommands(t, "quickstart")
	const build = "git clone https://github.com/caddypay/caddypay && cd caddypay\ngo build -o caddy ./cmd/caddy\n"
	if blocks[0] != build {
		t.Fatalf("the first block is\n%s", blocks[0])
	}
	dir, err := os.MkdirTemp("", "qs") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Symlink(binary, filepath.Join(dir, "caddy")); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 3)
	admin, site, box := fmt.Sprintf("localhost:%d", ports[0]), fmt.Sprintf("localhost:%d", ports[1]), fmt.Sprintf("localhost:%d", ports[2])
	script := strings.NewReplacer("localhost:2019", admin, "localhost:8080", site, "localhost:8484", box,
		"trigger charge.succeeded", "trigger charge.succeeded --sandbox http://"+box, "caddy stop", "caddy stop --address "+admin).Replace
	sh := func(dir, commands string) (string, error) {
		cmd := exec.Command("sh", "-e", "-c", commands)
		cmd.Dir, cmd.Env = dir, cleanEnv(dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	trial, last := filepath.Join(dir, "quickstart"), len(blocks)-1
	t.Cleanup(func() { // what a failure has left
		for file, pid := range map[string]*regexp.Regexp{"fpm.pid": regexp.MustCompile(`(\d+)`), "caddy.log": regexp.MustCompile(`Successfully started Caddy \(pid=(\d+)\)`)} {
			raw, _ := os.ReadFile(filepath.Join(trial, file))
			if m := pid.FindSubmatch(raw); m != nil && t.Failed() {
				n, _ := strconv.Atoi(string(m[1]))
				if left, err := os.FindProcess(n); err == nil {
					_ = left.Kill()
				}
			}
		}
	})

	out, err := sh(dir, script(strings.Join(blocks[1:last], "\n")))
	log, _ := os.ReadFile(filepath.Join(trial, "caddy.log"))
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
	for _, want := range []string{`"object":"charge"`, `"amount":1999`, "Order 1001"} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands do not show %s:\n%s", want, out)
		}
	}
	if !strings.Contains(string(log), `"taking payments"`) {
		t.Errorf("caddy.log has no line that says so:\n%s", log)
	}
	eventually(t, patience, func() error {
		resp, err := http.Get("http://" + site + "/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if raw, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(raw), "1001  Green tea  19.99 yuan  paid\n") {
			return errorf("the shop says %s, %v", raw, err)
		}
		return nil
	})
	for _, path := range []string{"/pay_quote.php?no=1001", "/pay_event.php", "/shop.db"} {
		resp, err := http.Get("http://" + site + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); path != "/shop.db" && resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers anybody with %s", path, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if out, err := sh(trial, script(blocks[last])); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	log, _ = os.ReadFile(filepath.Join(trial, "caddy.log"))
	checkRace(t, string(log))
}
