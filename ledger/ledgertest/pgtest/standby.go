package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Standby starts a server that follows this one under a name, which synchronous_standby_names may hold.
func (s *Server) Standby(t testing.TB, name string) *Server {
	t.Helper()
	standby := &Server{dir: folder(t), free: make(map[string][]string)}
	run(t, program(t, "pg_basebackup"), "-D", standby.data(), "-d", s.URL("postgres"), "-X", "stream", "-c", "fast", "--no-sync")
	standby.configure(t, map[string]string{"primary_conninfo": "host=" + s.dir + " user=postgres application_name=" + name})
	if err := os.WriteFile(filepath.Join(standby.data(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.discard)
	standby.tell(t)
	standby.Start(t)
	return standby
}

// Follows waits until a standby has replayed all that this server has written by now.
func (s *Server) Follows(t testing.TB, standby *Server) {
	t.Helper()
	var written string
	if err := s.query("SELECT pg_current_wal_flush_lsn()::text", &written); err != nil {
		t.Fatal(err)
	}
	until(t, func() error {
		var has bool
		if err := standby.query("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", &has, written); err != nil {
			return err
		}
		if !has {
			return errors.New("the standby has not replayed " + written)
		}
		return nil
	}, standby.log())
}

// Either is the DSN of a database of s, for who goes to either of two servers: to the one that takes writes.
func (s *Server) Either(t testing.TB, dsn string, other *Server) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("postgres:///%s?host=%s,%s&port=5432,5432&user=postgres", u.Path[1:], url.QueryEscape(s.dir), url.QueryEscape(other.dir))
}

// Promote makes a standby the server that is written to. The one that it followed should be dead: nothing keeps both from being written to.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	var done bool
	if err := s.query("SELECT pg_promote(true, 60)", &done); err != nil || !done {
		t.Fatalf("promote: %v, %v", done, err)
	}
}
