package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// shop is a site's backend as people have them, which writes down all that it gets.
type shop struct {
	name     string
	port     int    // of the site before it
	upstream string // the site's lines for it
	book     string // a line of JSON for each request
	read     int    // bytes of it
}

// sighting is one request as a shop has read it.
type sighting struct {
	Method, Target, Body string
	Fields, Trailers     [][2]string // names and values; CGI's variables have its names
}

// newShops runs a shop of each kind.
func newShops(t *testing.T) []*shop {
	t.Helper()
	ports := freePorts(t, 3)
	return []*shop{newNodeShop(t, ports[0]), newPHPServer(t, ports[1]), newFPMShop(t, ports[2])}
}

func newNodeShop(t *testing.T, port int) *shop {
	t.Helper()
	book := filepath.Join(t.TempDir(), "book")
	cmd := exec.Command("node", "node/shop.js", book)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make deps installs Node on Debian", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &shop{name: "Node", port: port, upstream: "reverse_proxy 127.0.0.1:" + strings.TrimSpace(line), book: book}
}

// phpBook is a script that does what shop.js does. What CGI makes of a header's name is in $_SERVER, whatever PHP itself makes of it in
// getallheaders.
const phpBook = `<?php
$fields = [];
foreach ($_SERVER as $name => $value) {
	if (preg_match('/^(HTTP|CONTENT|REQUEST|QUERY|PATH|PHP_AUTH|REDIRECT|ORIG|AUTH|REMOTE_USER)/', $name) && !in_array($name, ['REQUEST_TIME', 'REQUEST_TIME_FLOAT', 'PATH'])) {
		$fields[] = [$name, (string) $value];
	}
}
foreach (getallheaders() as $name => $value) {
	$fields[] = [$name, $value];
}
$line = json_encode(['method' => $_SERVER['REQUEST_METHOD'], 'target' => $_SERVER['REQUEST_URI'], 'fields' => $fields, 'trailers' => [],
	'body' => file_get_contents('php://input')], JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
file_put_contents(__DIR__ . '/book', $line . "\n", FILE_APPEND | LOCK_EX);
header('Content-Type: application/json');
echo $line;
`

func phpFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(phpBook), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newPHPServer runs PHP's own server.
func newPHPServer(t *testing.T, port int) *shop {
	t.Helper()
	dir := phpFolder(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])
	cmd := exec.Command("php", "-S", address, filepath.Join(dir, "index.php"))
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make deps installs PHP on Debian", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	listens(t, "tcp", address)
	return &shop{name: "php -S", port: port, upstream: "reverse_proxy " + address, book: filepath.Join(dir, "book")}
}

func newFPMShop(t *testing.T, port int) *shop {
	t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(found) == 0 {
		t.Fatal("there is no php-fpm; make deps installs it on Debian")
	}
	dir := phpFolder(t)
	short, err := os.MkdirTemp("", "fpm") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	socket, config := filepath.Join(short, "fpm.sock"), filepath.Join(short, "fpm.conf")
	text := fmt.Sprintf("[global]\nerror_log = %s\ndaemonize = no\n[shop]\nuser = %s\nlisten = %s\npm = static\npm.max_children = 2\n", filepath.Join(short, "log"), who.Username, socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(found[len(found)-1], "-F", "-R", "-y", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }) // it ends its workers
	listens(t, "unix", socket)
	return &shop{name: "php-fpm", port: port, upstream: "root " + dir + "\n\tphp_fastcgi unix/" + socket, book: filepath.Join(dir, "book")}
}

func listens(t testing.TB, network, address string) {
	t.Helper()
	eventually(t, patience, func() error {
		conn, err := net.Dial(network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// address is where the site before the shop is.
func (b *shop) address() string { return fmt.Sprintf("localhost:%d", b.port) }

// site is the site before the shop.
func (b *shop) site() string {
	return fmt.Sprintf("\nhttps://%s {\n\tpay {%s}\n\t%s\n}\n", b.address(), fullBlock+sessionKey, b.upstream)
}

// got returns what the shop has got since it was last asked.
func (b *shop) got(t *testing.T) (all []sighting) {
	t.Helper()
	raw, err := os.ReadFile(b.book)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	whole := raw[:strings.LastIndexByte(string(raw), '\n')+1]
	for line := range strings.Lines(string(whole[b.read:])) {
		var s sighting
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, s)
	}
	b.read = len(whole)
	return all
}
