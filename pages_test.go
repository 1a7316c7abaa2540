package caddypay_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func page(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What the pages about the source name is there: files, folders, and targets of the Makefile; in both languages the same.
func TestPagesAboutTheSourceNameWhatIsThere(t *testing.T) {
	makefile := page(t, "Makefile")
	quoted := regexp.MustCompile("`([^`\n]+)`")
	path := regexp.MustCompile(`^(?:adminapi|caddymodule|check|client|cmd|console|docs|examples|handlers|ledger|notify|object|packaging|pingpp|redact|relay|sandbox|session|shipping|test|wechat)(?:/[\w.*-]+)*$`)
	for _, name := range []string{"docs/architecture", "CONTRIBUTING"} {
		var first []string
		for _, suffix := range []string{".md", ".zh-CN.md"} {
			var named []string
			for _, m := range quoted.FindAllStringSubmatch(page(t, name+suffix), -1) {
				target, isTarget := strings.CutPrefix(m[1], "make ")
				target, _, _ = strings.Cut(target, " ")
				switch {
				case isTarget && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).MatchString(makefile):
					t.Errorf("%s%s names make %s, which the Makefile does not have", name, suffix, target)
				case isTarget:
					named = append(named, m[1])
				case path.MatchString(m[1]):
					named = append(named, m[1])
					if found, err := filepath.Glob(m[1]); err != nil || len(found) == 0 {
						t.Errorf("%s%s names %s, which is not there", name, suffix, m[1])
					}
				}
			}
			if first == nil {
				first = named
			}
			if slices.Sort(named); len(named) < 8 || !slices.Equal(named, slices.Sorted(slices.Values(first))) {
				t.Errorf("%s names in one language %q, in the other %q", name, first, named)
			}
		}
	}
}

// Each schema that a ledger can have has its row in UPGRADE.md, in both languages.
func TestUpgradeHasEverySchema(t *testing.T) {
	version := regexp.MustCompile(`(?m)^const schemaVersion = (\d+)$`)
	for _, name := range []string{"UPGRADE.md", "UPGRADE.zh-CN.md"} {
		tables := regexp.MustCompile(`(?m)^\| [^|\n]*(SQLite|PostgreSQL)[^|\n]* \| [^|\n]* \|\n\|---\|---\|\n((?:\| \d+ \| .* \|\n)+)`).FindAllStringSubmatch(page(t, name), -1)
		if len(tables) != 2 {
			t.Fatalf("%s has %d tables of schemas", name, len(tables))
		}
		for _, table := range tables {
			engine := strings.ToLower(strings.Replace(table[1], "PostgreSQL", "postgres", 1))
			m := version.FindStringSubmatch(page(t, "ledger/"+engine+"/schema.go"))
			if m == nil {
				t.Fatalf("ledger/%s/schema.go names no version", engine)
			}
			last, _ := strconv.Atoi(m[1])
			rows := strings.Split(strings.TrimSpace(table[2]), "\n")
			for i := range rows {
				if !strings.HasPrefix(rows[i], "| "+strconv.Itoa(i+1)+" |") {
					t.Errorf("%s, %s: row %d is %s", name, engine, i+1, rows[i])
				}
			}
			if len(rows) != last {
				t.Errorf("%s tells of %d schemas of ledger/%s, which is at %d: add a row that says what came with it", name, len(rows), engine, last)
			}
		}
	}
}

// The PHP of docs/moving.md fulfils an order once, whichever of the two webhooks comes first and however often, and tells what is no payment of the order.
// It runs where old shops are: as PHP 5.6 would have it.
func TestMovingPHP(t *testing.T) {
	var code []string
	for _, b := range blocks(t, "docs/moving.md") {
		if b[0] == "php" {
			code = append(code, strings.TrimPrefix(b[1], "<?php\n"))
		}
	}
	if len(code) != 2 {
		t.Fatalf("%d pieces of PHP", len(code))
	}
	if m := regexp.MustCompile(`\?\?|\?->|\bfn ?\(|\bmatch ?\(|\): ?\??[a-z]|\((int|string|bool) \$`).FindString(code[0] + code[1]); m != "" {
		t.Errorf("PHP 5.6 does not know %s", m)
	}
	const then = `
$db = new PDO('sqlite::memory:', null, null, array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION));
$db->exec("CREATE TABLE orders (order_no TEXT, total INTEGER, state TEXT, charge TEXT)");
$db->exec("CREATE TABLE shipments (order_no TEXT)");
$db->exec("INSERT INTO orders VALUES ('1001', 1999, 'payable', NULL), ('A-1', 500, 'payable', NULL)");
$new = array('id' => 'ch_1', 'order_no' => '1001k3x9ab', 'amount' => 1999, 'metadata' => array('pay_order_no' => '1001'));
$old = array('id' => 'ch_2', 'order_no' => 'A-1', 'amount' => 500, 'metadata' => array());
echo fulfil($db, order_number($new), $new['id'], $new['amount']), ' ';
echo fulfil($db, '1001', 'ch_1', 1999), ' ';
echo fulfil($db, '1001', 'ch_3', 1999), ' ';
echo fulfil($db, order_number($old), $old['id'], 1), ' ';
echo fulfil($db, order_number($old), $old['id'], 500), ' ';
echo fulfil($db, 'nobody', 'ch_4', 500), ' ';
echo $db->query('SELECT group_concat(order_no) FROM shipments')->fetchColumn();
`
	out, err := exec.Command("php", "-d", "display_errors=1", "-d", "error_reporting=-1", "-r", code[0]+code[1]+then).CombinedOutput()
	if want := "first again problem problem first problem 1001,A-1"; err != nil || string(out) != want {
		t.Errorf("it says %s, %v, not %s; make deps installs PHP on Debian", out, err, want)
	}
}

// proofs are the tests that run what a page shows, by the language of the code. What programs print is text.
var proofs = map[string]map[string]string{
	"README.md":                      {"caddyfile": "TestCaddyfiles", "sh": "TestReadmeCommands"},
	"client/miniprogram/README.md":   {"js": "client/miniprogram/test/pay.test.js"},
	"docs/architecture.md":           {"mermaid": "TestPagesAreFresh"},
	"docs/backend.md":                {"caddyfile": "TestDocsSnippets", "json": "TestDocsQuotes", "php": "TestDocsPHP", "sh": "TestCommandsOfAllPages"},
	"docs/backend-frameworks.md":     {"caddyfile": "TestDocsShopAnswers", "java": "TestDocsSpring", "php": "TestDocsFrameworks"},
	"docs/channels.md":               {"caddyfile": "TestDocsSnippets"},
	"docs/check.md":                  {"sh": "TestCommandsOfAllPages"},
	"docs/console.md":                {"caddyfile": "TestDocsSnippets"},
	"docs/http-api.md":               {"caddyfile": "TestDocsSnippets", "js": "TestDocsSnippetsMeetFailures", "json": "TestHTTPAPIPages", "php": "TestDocsSnippetsMeetFailures", "sh": "TestDocumentedMerchantCalls"},
	"docs/install.md":                {"caddyfile": "TestBehindNginx", "nginx": "TestBehindNginx", "sh": "TestRelease"},
	"docs/model/README.md":           {"sh": "TestModel"},
	"docs/monitoring/README.md":      {"caddyfile": "TestMonitoringCaddyfile", "yaml": "TestMonitoringPrometheus"},
	"docs/moving.md":                 {"php": "TestMovingPHP", "sh": "TestCommandsOfAllPages"},
	"docs/notify.md":                 {"json": "TestNotifyPages"},
	"docs/operations.md":             {"sh": "TestOperationsCommands"},
	"docs/quickstart.md":             {"sh": "TestQuickStart"},
	"docs/sandbox.md":                {"sh": "TestDocsSnippetsMeetFailures"},
	"docs/scale.md":                  {"caddyfile": "TestDocsSnippets", "sh": "TestCommandsOfAllPages"},
	"docs/setup.md":                  {"sh": "TestPagesAreRun"},
	"docs/shipping.md":               {"caddyfile": "TestDocsShipping", "php": "TestDocsShipping"},
	"docs/web.md":                    {"caddyfile": "TestCaddyfiles"},
	"examples/README.md":             {"sh": "TestBackendExamplesReadme"},
	"examples/miniprogram/README.md": {"sh": "TestMiniProgramPackage"},
}

// Code that a page shows is run by a test, and is the same in both languages but for what its comments say; that of the mini program's package speaks the reader's, and both are run. A page that shows something new names its test in proofs.
func TestPagesAreRun(t *testing.T) {
	block := regexp.MustCompile("(?ms)^ *```([a-z]+)\n(.*?)^ *```$")
	tests := testsOf(t)
	for _, name := range allPages(t) {
		if strings.HasSuffix(name, ".zh-CN.md") || name == "llms.txt" {
			continue
		}
		shown := block.FindAllStringSubmatch(page(t, name), -1)
		chinese := block.FindAllStringSubmatch(page(t, strings.TrimSuffix(name, ".md")+".zh-CN.md"), -1)
		if !slices.EqualFunc(shown, chinese, func(a, b []string) bool {
			return a[1] == b[1] && (uncommented(a[1], a[2]) == uncommented(b[1], b[2]) || a[1] == "text" || name == "client/miniprogram/README.md")
		}) {
			t.Errorf("%s shows other code than the page in Chinese", name)
		}
		languages := map[string]bool{}
		for _, m := range shown {
			if languages[m[1]] = true; m[1] != "text" && proofs[name][m[1]] == "" {
				t.Errorf("no test is named that runs the %s of %s", m[1], name)
			}
		}
		for language, test := range proofs[name] {
			_, err := os.Stat(test)
			if !languages[language] || err != nil && !strings.Contains(tests, "func "+test+"(") {
				t.Errorf("%s: %s is said to run its %s; one of the two is not there", name, test, language)
			}
		}
	}
	readme := page(t, "README.md")
	for _, b := range blocks(t, "docs/setup.md") {
		if !strings.Contains(readme, b[1]) {
			t.Errorf("docs/setup.md shows a command that README.md does not: %s", b[1])
		}
	}
}

// The pictures in the pages are small, and none lies about unused.
func TestShots(t *testing.T) {
	shots, err := filepath.Glob("docs/shots/*.png")
	if err != nil || len(shots) == 0 {
		t.Fatalf("%q, %v", shots, err)
	}
	shown := page(t, "README.md") + page(t, "README.zh-CN.md") + page(t, "docs/console.md") + page(t, "docs/console.zh-CN.md")
	for _, shot := range shots {
		if raw := page(t, shot); len(raw) > 60<<10 || !strings.HasPrefix(raw, "\x89PNG") || !strings.Contains(shown, "shots/"+filepath.Base(shot)+")") {
			t.Errorf("%s is no picture of at most 60 KiB that a page shows", shot)
		}
	}
}
