package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncer hands a few connections to a server on to many clients, a transaction each.
type PgBouncer struct {
	dir     string
	process process
}

// PgBouncer starts one, in transaction mode, in front of the server.
func (s *Server) PgBouncer(t testing.TB) *PgBouncer {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		binary = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("there is no pgbouncer; make deps installs it on Debian")
	}
	b := &PgBouncer{dir: folder(t)}
	file := filepath.Join(b.dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=%s port=5432 user=postgres
[pgbouncer]
unix_socket_dir = %[2]s
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
pidfile = %[2]s/pgbouncer.pid
logfile = %[2]s/log
admin_users = postgres
server_check_delay = 1
server_login_retry = 0.2
`, s.dir, b.dir)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.process.start(t, filepath.Join(b.dir, "out"), binary, file)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PgBouncer says:\n%s", tail(filepath.Join(b.dir, "log")))
		}
		b.process.kill(syscall.SIGTERM)
		_ = os.RemoveAll(b.dir)
	})
	until(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, address(b.dir, 6432, "postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}, filepath.Join(b.dir, "out"))
	return b
}

// DSN is where a database of the server is found through it.
func (b *PgBouncer) DSN(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return address(b.dir, 6432, u.Path[1:])
}
