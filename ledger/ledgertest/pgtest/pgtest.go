// Package pgtest starts real PostgreSQL servers for tests, from the programs that the machine has: one that the tests of a binary share ([Shared]), servers
// that a test may stop, kill and set ([Start]), standbys, PgBouncer, and proxies that cut, delay and swallow what goes through them. All of it ends with
// the test's process, however that ends, and listens on Unix sockets in a folder of its own, so that no port has to be free.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long something may take that the machine should do at once.
const patience = time.Minute

// Options say what is special about a server.
type Options struct {
	// Durable has commits wait for the disk. Default: they do not, and tests are fast.
	Durable bool
	// Settings are written into postgresql.conf, e.g. "synchronous_standby_names": "nobody".
	Settings map[string]string
	// Disk is how large the disk is that the server has for itself, in MiB; see [CanMount] and [Server.Fill]. Default: it has none.
	Disk int
}

// Server is a PostgreSQL server.
type Server struct {
	dir     string // of its data and log; the socket's folder
	process process
	disk    bool // its data are on a disk of its own

	databases atomic.Int64
	mu        sync.Mutex
	free      map[string][]string // databases to lend, by their kind
}

var shared struct {
	sync.Mutex
	server *Server
}

// Shared returns the server that all tests of a binary share. It is not to be stopped, nor to be set.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = create(t, Options{})
		shared.server.Start(t)
	}
	shared.server.tell(t)
	return shared.server
}

// Start starts a server of the test's own.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := create(t, o)
	t.Cleanup(s.discard)
	s.tell(t)
	s.Start(t)
	return s
}

// create makes a server's folder and data.
func create(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{dir: folder(t), free: make(map[string][]string)}
	if o.Disk > 0 {
		s.mount(t, o.Disk)
	}
	run(t, program(t, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	settings := map[string]string{"max_connections": "200", "shared_buffers": "64MB", "jit": "off", "log_line_prefix": "%m [%p] %d "}
	if !o.Durable {
		settings["fsync"], settings["full_page_writes"], settings["autovacuum_naptime"] = "off", "off", "1h"
	}
	for name, value := range o.Settings {
		settings[name] = value
	}
	s.configure(t, settings)
	return s
}

// configure appends settings to the server's configuration.
func (s *Server) configure(t testing.TB, settings map[string]string) {
	t.Helper()
	var b strings.Builder
	for name, value := range settings {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(b.String())
		_ = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// tell shows the end of the server's log when the test has failed.
func (s *Server) tell(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL says:\n%s", tail(s.log()))
		}
	})
}

// Start starts a server that was stopped or killed, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	start := func() {
		s.process.start(t, s.log(), program(t, "postgres"), "-D", s.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir)
	}
	start()
	until(t, func() error {
		if s.process.ended() { // the processes of a killed one may still hold its memory
			start()
		}
		return s.answers()
	}, s.log())
}

func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err == nil {
		err = conn.Close(ctx)
	}
	return err
}

// Stop shuts the server down: connections are closed, transactions rolled back.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.process.end(t, syscall.SIGINT) }

// Abort shuts the server down at once: what its processes have in memory is gone, and it recovers from its log when it is started again.
func (s *Server) Abort(t testing.TB) { t.Helper(); s.process.end(t, syscall.SIGQUIT) }

// Kill ends the server by kill -9. Its connections break, and it recovers from its log when it is started again.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.process.end(t, syscall.SIGKILL) }

// Restart stops the server and starts it.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// discard ends a server and deletes what it leaves.
func (s *Server) discard() {
	s.process.kill(syscall.SIGQUIT)
	if s.disk {
		unmount(s.data())
	}
	_ = os.RemoveAll(s.dir)
}

// URL is where a database of the server is found.
func (s *Server) URL(database string) string { return address(s.dir, 5432, database) }

// address is the URL of a database behind the socket with a number in a folder.
func address(dir string, port int, database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&port=%d&user=postgres", database, url.QueryEscape(dir), port)
}

// DSN makes an empty database for a test. It goes with the server.
func (s *Server) DSN(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	s.Exec(t, "CREATE DATABASE "+name)
	return s.URL(name)
}

// Lend lends a test a database of a kind, as make made one that it was given empty. That takes far longer than to empty one, so clean does so once the
// test has ended, for the next of that kind; nobody may be connected then.
func (s *Server) Lend(t testing.TB, kind string, make, clean func(dsn string) error) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var dsn string
	if free := s.free[kind]; len(free) > 0 {
		dsn, s.free[kind] = free[0], free[1:]
	} else {
		dsn = s.DSN(t)
		if err := make(dsn); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := clean(dsn); err != nil {
			t.Errorf("a database that was lent cannot be lent again: %v", err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free[kind] = append(s.free[kind], dsn)
	})
	return dsn
}

// Exec runs statements in the database postgres, as a superuser: what concerns the whole server.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	if err := s.exec(statements...); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, text := range statements {
		if _, err := conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// Set changes a setting of a running server that needs no restart.
func (s *Server) Set(t testing.TB, name, value string) {
	t.Helper()
	s.Exec(t, "ALTER SYSTEM SET "+name+" = '"+strings.ReplaceAll(value, "'", "''")+"'", "SELECT pg_reload_conf()")
	until(t, func() error { // it is a signal
		var is string
		if err := s.query("SELECT current_setting($1)", &is, name); err != nil {
			return err
		}
		if is != value {
			return fmt.Errorf("%s is %q, not yet %q", name, is, value)
		}
		return nil
	}, s.log())
}

// query reads one value in the database postgres.
func (s *Server) query(text string, into any, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.QueryRow(ctx, text, args...).Scan(into)
}

// program returns where a program of PostgreSQL is: of the installation on PATH, or the newest of Debian's.
func program(t testing.TB, name string) string {
	t.Helper()
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Join(filepath.Dir(real), name)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL: initdb is neither on PATH nor in /usr/lib/postgresql/*/bin; make deps installs it on Debian")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return len(a) - len(b) + 2*strings.Compare(a, b) })
	return filepath.Join(filepath.Dir(newest), name)
}
